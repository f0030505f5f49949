"""Fit of the scales: minimise sum w (I - g <I>)^2 over the parameters of log g, by Gauss-Newton.

The means <I> = sum w g I / sum w g^2 of the groups of equivalents are not parameters: they follow
the scales (variable projection, Golub & Pereyra 1973, SIAM J. Num. Anal. 10, 413; Kaufman's form
of the gradient). With x the row of the design of an observation and x' the mean of x in its group
(weights w g^2), a row of the Jacobian is -<I> g (x - x'). Conjugate gradients need only the product
of the normal equations with a vector, whose cost is that of reading the design once, for any number
of experiments; their preconditioner is in `blocks.py`. All sums run in the order of the rows.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.scaling.blocks import Blocks
from dxdask.scaling.design import Design, add_row, row_product


@njit(cache=True, nogil=True, error_model="numpy")
def _group_means(offsets, weight, g, intensity, mean, norm):  # type: ignore[no-untyped-def]
    for h in range(len(offsets) - 1):
        top, bottom = 0.0, 0.0
        for i in range(offsets[h], offsets[h + 1]):
            top += weight[i] * g[i] * intensity[i]
            bottom += weight[i] * g[i] * g[i]
        mean[h] = top / bottom if bottom > 0.0 else 0.0
        norm[h] = bottom


@njit(cache=True, nogil=True, error_model="numpy")
def _costs(offsets, weight, g, intensity, mean, out):  # type: ignore[no-untyped-def]
    for h in range(len(offsets) - 1):
        total = 0.0
        for i in range(offsets[h], offsets[h + 1]):
            r = intensity[i] - g[i] * mean[h]
            total += weight[i] * r * r
        out[h] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _gradient(offsets, weight, g, intensity, mean, index, value, first, dense, step):  # type: ignore[no-untyped-def]
    step[:] = 0.0
    for h in range(len(offsets) - 1):
        if offsets[h + 1] - offsets[h] < 2:
            continue
        for i in range(offsets[h], offsets[h + 1]):
            if weight[i] > 0.0:
                slope = g[i] * mean[h]
                r = weight[i] * (intensity[i] - slope) * slope
                add_row(index, value, first, dense, i, r, step)


@njit(cache=True, nogil=True, error_model="numpy")
def _apply_normal(offsets, weight, g, mean, norm, index, value, first, dense, v, buffer, out):  # type: ignore[no-untyped-def]
    out[:] = 0.0
    for h in range(len(offsets) - 1):
        n = offsets[h + 1] - offsets[h]
        if n < 2 or norm[h] <= 0.0:
            continue
        shared = 0.0
        for i in range(offsets[h], offsets[h + 1]):
            if weight[i] > 0.0:
                dot = row_product(index, value, first, dense, i, v)
                buffer[i - offsets[h]] = dot
                shared += weight[i] * g[i] * g[i] * dot
        shared /= norm[h]
        for i in range(offsets[h], offsets[h + 1]):
            if weight[i] > 0.0:
                dot = buffer[i - offsets[h]] - shared
                dot *= weight[i] * g[i] * g[i] * mean[h] * mean[h]
                add_row(index, value, first, dense, i, dot, out)


@dataclass(frozen=True, kw_only=True, slots=True)
class FitResult:
    """Parameters (m,), their scales g (n,) and means (n_groups,), and the cost at each step.

    blocks : the preconditioner, which does for fits of much the same observations too.
    """

    parameters: Floats
    scales: Floats
    means: Floats
    costs: tuple[float, ...]
    blocks: Blocks


def group_means(
    offsets: NDArray[np.int64], weight: Floats, g: Floats, intensity: Floats
) -> tuple[Floats, Floats]:
    """Return <I> = sum w g I / sum w g^2 and sum w g^2, each (n_groups,).

    offsets : (n_groups + 1,) of the observations (n,), sorted by group.
    """
    mean, norm = np.empty(len(offsets) - 1), np.empty(len(offsets) - 1)
    _group_means(offsets, weight, g, intensity, mean, norm)
    return mean, norm


def group_costs(
    offsets: NDArray[np.int64], weight: Floats, g: Floats, intensity: Floats, mean: Floats
) -> Floats:
    """Return sum w (I - g <I>)^2 of each group (n_groups,)."""
    out = np.empty(len(offsets) - 1)
    _costs(offsets, weight, g, intensity, mean, out)
    return out


class _Problem:
    """Observations and design of one minimisation, at its present parameters."""

    def __init__(
        self,
        offsets: NDArray[np.int64],
        weight: Floats,
        intensity: Floats,
        design: Design,
        restraint: Floats,
        target: Floats,
    ) -> None:
        self.offsets, self.weight, self.intensity = offsets, weight, intensity
        self.design = design
        self.restraint, self.target = restraint, target
        self.in_pairs = np.diff(offsets) > 1
        self.buffer = np.empty(int(np.diff(offsets).max(initial=0)))

    def move(self, p: Floats) -> float:
        """Return the cost at the parameters `p`, which become the present ones."""
        self.p = p
        self.g = self.design.scales(p)
        self.mean, self.norm = group_means(self.offsets, self.weight, self.g, self.intensity)
        costs = np.empty(len(self.mean))
        data = (self.offsets, self.weight, self.g, self.intensity, self.mean)
        _costs(*data, costs)
        return float(costs.sum() + self.restraint @ (p - self.target) ** 2)

    def gradient(self) -> Floats:
        """Return the right-hand side of the normal equations."""
        right = np.empty_like(self.p)
        data = (self.offsets, self.weight, self.g, self.intensity, self.mean)
        _gradient(*data, *self.design.arrays, right)
        return right - self.restraint * (self.p - self.target)

    def curvature(self) -> Floats:
        """Return w g^2 <I>^2 (n,) of the observations that determine scales; 0 for others."""
        mean = np.repeat(np.where(self.in_pairs, self.mean, 0.0), np.diff(self.offsets))
        return np.asarray(self.weight * (self.g * mean) ** 2)

    def solve(self, right: Floats, blocks: Blocks) -> Floats:
        """Return the step s of (N + damping of the blocks) s = right.

        Conjugate gradients, preconditioned by the blocks, stopping by the preconditioned residual.
        """
        step, residual = np.zeros_like(right), right.copy()
        direction = blocks.solve(residual)
        rho = first = float(residual @ direction)
        out = np.empty_like(right)
        data = (self.offsets, self.weight, self.g, self.mean, self.norm)
        for _ in range(4 * len(right) + 20):
            # at 1e-7 the overall B factor, which little determines, is not where it belongs
            if rho <= 1e-10 * first or rho == 0.0:
                break
            _apply_normal(*data, *self.design.arrays, direction, self.buffer, out)
            out += (self.restraint + blocks.added) * direction
            alpha = rho / float(direction @ out)
            step += alpha * direction
            residual -= alpha * out
            preconditioned = blocks.solve(residual)
            old, rho = rho, float(residual @ preconditioned)
            direction = preconditioned + rho / old * direction
        return step


def fit_scales(
    offsets: NDArray[np.int64],
    weight: Floats,
    intensity: Floats,
    design: Design,
    start: Floats,
    *,
    owners: NDArray[np.int32],
    restraint: Floats,
    target: Floats | None = None,
    max_iterations: int = 20,
    tolerance: float = 1e-4,
    blocks: Blocks | None = None,
) -> FitResult:
    """Return the parameters of log g fitted to observations sorted by group.

    Parameters
    ----------
    offsets : (n_groups + 1,) where each group begins.
    weight : (n,) one over the variance of `intensity`; 0 leaves the observation out.
    intensity : (n,)
    design : of the n observations.
    start : (m,) first parameters.
    owners : (m,) experiment of each parameter.
    restraint : (m,) weights of (p - target)^2 added to the sum.
    target : (m,) None for zero.
    max_iterations : maximum number of steps.
    tolerance : smallest relative gain of a step, which ends the fit.
    blocks : preconditioner of another fit, whose observations differ little; None makes one.
    """
    target = np.zeros_like(start) if target is None else target
    problem = _Problem(offsets, weight, intensity, design, restraint, target)
    blocks = Blocks(owners) if blocks is None else copy(blocks)
    cost = problem.move(start)
    costs, damping = [cost], 1e-6
    for _ in range(max_iterations):
        p, right = problem.p, problem.gradient()
        while True:
            # a preconditioner of the first step does for the others, which move the scales little
            if damping > blocks.damping:
                blocks.update(offsets, problem.curvature(), design, restraint, damping)
            new = problem.move(p + problem.solve(right, blocks))
            if new <= cost or damping > 1e6:
                break
            damping = max(10.0 * damping, 1e-4)
            problem.move(p)
        if new > cost:
            problem.move(p)
            break
        gain, cost, damping = cost - new, new, damping / 10.0
        costs.append(cost)
        if gain <= tolerance * cost:
            break
    return FitResult(
        parameters=problem.p,
        scales=problem.g,
        means=problem.mean,
        costs=tuple(costs),
        blocks=blocks,
    )
