"""Levenberg-Marquardt least squares on normal equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError

MAX_ITERATIONS = 100
MAX_REJECTED = 12

# Relative to the diagonal; starting models are near the minimum, where nearly full steps are right.
FIRST_DAMPING = 1e-5

# Relative change of every RMSD below which refinement has converged (DIALS's).
RMSD_CHANGE = 1e-4

# Smallest eigenvalue of the normal matrix, scaled to a unit diagonal, above rounding.
SMALLEST_EIGENVALUE = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The target function at one set of values.

    Attributes
    ----------
    matrix, vector : normal matrix (k, k) and right-hand side (k,).
    objective : half the weighted sum of squared residuals.
    rmsds : (3,), mm, mm, rad.
    n : reflections with a prediction.
    """

    matrix: Floats
    vector: Floats
    objective: float
    rmsds: Floats
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Minimum:
    """The minimum reached.

    Attributes
    ----------
    values : (k,) refined parameters.
    covariance : (k, k), the inverse normal matrix times the reduced chi squared.
    steps : the target function at the start and after each step.
    reason : of termination, in words.
    """

    values: Floats
    covariance: Floats
    steps: tuple[Evaluation, ...]
    reason: str


def minimise(
    evaluate: Callable[[Floats], Evaluation],
    start: Floats,
    names: Sequence[str],
    max_iterations: int | None = None,
) -> Minimum:
    """Return the minimum from `start` (k,), reached when no RMSD changes by more than 1e-4.

    Damping after Nielsen (1999), as in cctbx: mu times max(1/3, 1 - (2 rho - 1)^3) after a step
    with rho of the expected gain, else times nu, which doubles. The damping is relative to
    the diagonal (Marquardt, 1963), so that it does not depend on the units of parameters.

    Raises
    ------
    ConvergenceError
        The normal matrix is singular: the message names the parameters.
    """
    x, now = start.copy(), evaluate(start)
    check_determined(now.matrix, names)
    steps, damping, growth, rejected = [now], FIRST_DAMPING, 2.0, 0
    limit = MAX_ITERATIONS if max_iterations is None else max_iterations
    reason = "Reached maximum number of iterations"
    while len(steps) <= limit:
        step, expected = _step(now, damping)
        if expected <= 0.0 or rejected >= MAX_REJECTED:
            reason = "Target no longer decreasing"
            break
        then = _try(evaluate, x + step)
        gain = (
            -1.0 if then is None else (now.objective - then.objective * now.n / then.n) / expected
        )
        if then is None or not gain > 0.0:
            damping, growth, rejected = damping * growth, 2.0 * growth, rejected + 1
            continue
        damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
        growth, rejected = 2.0, 0
        x, before, now = x + step, now, then
        steps.append(now)
        if _has_converged(before, now):
            reason = "RMSD no longer decreasing"
            break
    check_determined(now.matrix, names)
    return Minimum(values=x, covariance=_covariance(now), steps=tuple(steps), reason=reason)


def _try(evaluate: Callable[[Floats], Evaluation], x: Floats) -> Evaluation | None:
    try:
        then = evaluate(x)
    except ConvergenceError:
        return None
    return then if then.n > 0 and np.isfinite(then.objective) else None


def _step(now: Evaluation, damping: float) -> tuple[Floats, float]:
    """Return the damped step (k,) and the expected decrease of the objective."""
    scale = 1.0 / np.sqrt(np.diag(now.matrix))
    rhs = now.vector * scale
    scaled = now.matrix * np.outer(scale, scale)
    step = np.linalg.solve(scaled + damping * np.eye(len(scale)), rhs)
    return step * scale, float(0.5 * step @ (damping * step + rhs))


def _has_converged(before: Evaluation, now: Evaluation) -> bool:
    """Return true if no RMSD changed and a full step would not lower the objective."""
    change = np.abs(before.rmsds - now.rmsds)
    _, expected = _step(now, 0.0)
    return (
        bool((change <= RMSD_CHANGE * now.rmsds).all()) and expected <= RMSD_CHANGE * now.objective
    )


def _covariance(now: Evaluation) -> Floats:
    scale = 1.0 / np.sqrt(np.diag(now.matrix))
    inverse = np.linalg.inv(now.matrix * np.outer(scale, scale)) * np.outer(scale, scale)
    freedom = max(3 * now.n - len(scale), 1)
    out: Floats = inverse * (2.0 * now.objective / freedom)
    return out


def check_determined(matrix: Floats, names: Sequence[str]) -> None:
    """Check that the data determine the parameters.

    matrix: normal matrix (k, k) of the parameters `names`.

    Raises
    ------
    ConvergenceError
        They do not; the message names the parameters.
    """
    diagonal = np.diag(matrix)
    idle = [
        name for name, d in zip(names, diagonal, strict=True) if not (np.isfinite(d) and d > 0.0)
    ]
    if idle:
        raise ConvergenceError(
            f"no reflection depends on {', '.join(idle)}; fix them "
            "(parameterisation....fix) or exclude models without reflections"
        )
    scale = 1.0 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    if values[0] < SMALLEST_EIGENVALUE:
        share = np.abs(vectors[:, 0])
        mixed = [name for name, s in zip(names, share, strict=True) if s > 0.1 * share.max()]
        raise ConvergenceError(
            f"the normal matrix is singular: these reflections do not determine "
            f"{', '.join(mixed)} separately; fix one of them (parameterisation....fix)"
        )
