"""A least-squares problem: reflections, the models that predict them, and the free parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers, Mask
from dxdask.errors import ConvergenceError
from dxdask.refinement.least_squares.equations import CrystalBlock, Equations, Step
from dxdask.refinement.least_squares.local import N_CRYSTAL, N_LOCAL, STRAIN
from dxdask.refinement.least_squares.rotation_rows import rotation_rows
from dxdask.refinement.least_squares.rows import CHUNK, Rows
from dxdask.refinement.least_squares.still_rows import still_rows
from dxdask.refinement.least_squares.sums import accumulate
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.layout import Layout
from dxdask.refinement.models.state import ModelState

CRYSTALS = 256
"""Largest number of crystals whose equations are solved at once."""


class Gradients(NamedTuple):
    """Residuals (n, 3), their gradients (n, 3, N_LOCAL), and rows (n,) with a prediction."""

    residual: Floats
    gradient: Floats
    predicted: Mask


class Block(NamedTuple):
    """Crystals with as many parameters each, from `first` on, and their rows."""

    first: int
    n_crystals: int
    rows: slice


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Reflections to refine models against.

    Attributes
    ----------
    rows : reflections. layout : the free parameters. n_points : (c,) of the crystals' smoothers.
    crystal_prior : (9,) inverse variances of a crystal's rotations (rad), which restrain each
    step, and of its strains, which restrain these.
    smoothness : (9,) inverse variances of the difference of steps of neighbouring points of a
    smoother: weak, so that points without reflections follow their neighbours.
    positions : returns the observed x, y (n, 2), mm, on the panels of a state, where they depend on
    it. weigh : returns the weights (n, 3) of rows by their residuals; None: those of the rows.
    """

    rows: Rows
    layout: Layout
    n_points: Integers
    crystal_prior: Floats = field(default_factory=lambda: np.zeros(N_CRYSTAL))
    smoothness: Floats = field(default_factory=lambda: np.zeros(N_CRYSTAL))
    positions: Callable[[ModelState], Floats] | None = None
    weigh: Callable[[Rows, Floats], Floats] | None = None

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of crystals, in order."""
        n, first = len(self.n_points), 0
        keys = list(zip(self.n_points.tolist(), self.layout.crystal_free, strict=True))
        while first < n:
            last = first + 1
            while last < n and last - first < CRYSTALS and keys[last] == keys[first]:
                last += 1
            start, end = np.searchsorted(self.rows.crystal, [first, last])
            yield Block(first, last - first, slice(int(start), int(end)))
            first = last

    def observed(self, state: ModelState) -> Rows:
        """Return the rows, observed on the panels of a state."""
        if self.positions is None:
            return self.rows
        xy = self.positions(state)
        return replace(self.rows, observed=np.column_stack([xy, self.rows.observed[:, 2]]))

    def equations(self, state: ModelState) -> Equations:
        """Return the normal equations at a state of the models.

        Rows are added in their order, so sums do not depend on anything else.

        Raises
        ------
        ConvergenceError
            No reflection has a prediction there.
        """
        m, every = self.layout.n_shared, self.observed(state)
        shared, right, sums = np.zeros((m, m)), np.zeros(m), np.zeros(5)
        blocks = []
        for block in self.blocks():
            part = every.taken(block.rows)
            made, objective = self._block(state, block, part, shared, right, sums)
            blocks.append(made)
            sums[0] += objective
        n = int(sums[4])
        if n == 0:
            raise ConvergenceError(
                f"none of {len(self.rows)} reflections is predicted by these models; "
                "start from better ones"
            )
        prior = self.layout.restraints
        return Equations(
            blocks=tuple(blocks),
            matrix=_symmetric(shared) + prior,
            right=right - prior @ state.shared,
            objective=float(sums[0] + 0.5 * state.shared @ prior @ state.shared),
            rmsds=np.sqrt(sums[1:4] / n),
            n=n,
        )

    def _block(
        self,
        state: ModelState,
        block: Block,
        rows: Rows,
        shared: Floats,
        right: Floats,
        sums: Floats,
    ) -> tuple[CrystalBlock, float]:
        """Return the equations of a block of crystals and half the sum of squares of its
        restraints; add to what is shared.
        """
        free = np.array(self.layout.crystal_free[block.first], dtype=np.int64)
        n_points, m = int(self.n_points[block.first]), self.layout.n_shared
        k, n = n_points * len(free), block.n_crystals
        own, cross, own_right = np.zeros((n, k, k)), np.zeros((n, k, m)), np.zeros((n, k))
        size = CHUNK if self.weigh is None else max(len(rows), 1)
        for first in range(0, len(rows), size):
            part = rows.taken(slice(first, first + size))
            found = gradients(part, state)
            weights = part.weights if self.weigh is None else self.weigh(part, found.residual)
            accumulate(
                found.residual, found.gradient, found.predicted, weights,
                part.crystal - block.first, part.experiment, part.panel, part.point, part.part,
                state.crystals.nearest, state.crystals.shares, free,
                part.point if part.beam_point is None else part.beam_point,
                part.part if part.beam_part is None else part.beam_part, self.layout.beams,
                self.layout.model_columns, self.layout.first_part, self.layout.part_columns,
                self.layout.moves, own, cross, own_right, shared, right, sums,
            )  # fmt: skip
        matrix = _symmetric(own) + self._restraints(free, n_points)
        objective = 0.0
        if n_points == 1:
            prior, strain = self.crystal_prior[free], np.zeros((n, len(free)))
            is_strain = free >= STRAIN
            strain[:, is_strain] = state.crystals.strain[block.first : block.first + n][
                :, free[is_strain] - STRAIN
            ]
            own_right -= prior * strain
            objective = 0.5 * float((prior * strain**2).sum())
        return CrystalBlock(
            first=block.first, matrix=matrix, cross=cross, right=own_right
        ), objective

    def _restraints(self, free: Integers, n_points: int) -> Floats:
        """Return the restraints (k, k) on a crystal's step."""
        prior = np.diag(np.tile(self.crystal_prior[free], n_points))
        if n_points == 1:
            return prior
        difference = np.diff(np.eye(n_points), axis=0)
        return np.asarray(
            prior + np.kron(difference.T @ difference, np.diag(self.smoothness[free]))
        )

    def move(self, state: ModelState, step: Step) -> ModelState:
        """Return the models after a step."""
        return state.after(self.layout, step, [(b.first, b.n_crystals) for b in self.blocks()])

    def residuals(self, state: ModelState) -> Floats:
        """Return the residuals (n, 3) of all rows, NaN without a prediction."""
        every, out = self.observed(state), np.full((len(self.rows), 3), np.nan)
        for first in range(0, len(every), CHUNK):
            found = gradients(every.taken(slice(first, first + CHUNK)), state)
            out[first : first + CHUNK][found.predicted] = found.residual[found.predicted]
        return out


def gradients(rows: Rows, state: ModelState) -> Gradients:
    """Return residuals and gradients by local parameters of rows."""
    n, c, a = len(rows), state.crystals, state.arrays
    residual, gradient = np.zeros((n, 3)), np.zeros((n, 3, N_LOCAL))
    predicted = np.zeros(n, dtype=np.bool_)
    if rows.entering is not None:
        beam, s0 = rows.experiment, a.s0
        if rows.beam_point is not None and rows.beam_part is not None:
            beam, s0 = np.arange(n), state.s0_of(rows.beam_point, rows.beam_part)
        rotation_rows(
            rows.hkl, rows.crystal, rows.experiment, rows.panel, rows.observed, rows.point,
            rows.part, rows.entering, beam, c.a, c.form, c.forms, c.n_strains, a.frames, a.m2, s0,
            a.beam_axes, a.setting_axes, a.inverse_d, a.normals, a.centres, residual, gradient,
            predicted,
        )  # fmt: skip
    else:
        still_rows(
            rows.hkl, rows.crystal, rows.experiment, rows.panel, rows.observed, rows.point,
            rows.wavelength, c.a, c.form, c.forms, c.n_strains, a.beam, a.inverse_d, a.normals,
            a.centres, residual, gradient, predicted,
        )  # fmt: skip
    return Gradients(residual, gradient, predicted)


def _symmetric(lower: Floats) -> Floats:
    """Return matrices (..., k, k) whose lower triangle is given."""
    out = np.tril(lower)
    return np.asarray(out + np.tril(lower, -1).swapaxes(-1, -2))


def points_of(crystals: Crystals, crystal: Integers, offset: Floats) -> tuple[Integers, Floats]:
    """Return the scan points (n,) before rows and the fraction of the way to the next.

    crystal : (n,). offset : (n,) images from the first scan point of the crystal.
    """
    n_points = np.diff(crystals.first)[crystal]
    at = np.clip(offset, 0.0, n_points - 1.0)
    left = np.minimum(at.astype(np.int64), np.maximum(n_points - 2, 0))
    return crystals.first[crystal] + left, at - left
