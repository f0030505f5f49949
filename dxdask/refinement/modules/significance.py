"""Significance of the moves of modules against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError
from dxdask.refinement.modules.moves import Block, Layout, Moves, fit_moves
from dxdask.refinement.modules.parameters import ModuleParameters

_AGREEMENT = 0.5  # largest difference of the moves of two halves, in moves


@dataclass(frozen=True, kw_only=True)
class Significance:
    """Moves of modules, each against the others, which have no mean move, and their significance.

    Attributes
    ----------
    moves : (m, 3) along fast and slow, px, and about the normal, mrad.
    covariance : (3 m, 3 m) of the moves.
    size : (m,) root mean square move of the pixels of a module, px.
    chance : (m,) probability of a move as significant, in any of the modules, by chance.
    halves : (m,) size of the difference of the moves by two halves of the images, px; NaN where no
    module is significant otherwise.
    significant : (m,).
    """

    moves: Floats
    covariance: Floats
    size: Floats
    chance: Floats
    halves: Floats
    significant: NDArray[np.bool_]

    @property
    def errors(self) -> Floats:
        """Standard uncertainties (m, 3) of the moves."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0)).reshape(-1, 3)

    def z(self, moves: Floats) -> Floats:
        """Return the size (m,) of moves (m, 3) in standard deviations, T of Hotelling."""
        out = np.zeros(len(moves))
        for k, move in enumerate(moves):
            own = self.covariance[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
            out[k] = np.sqrt(float(move @ np.linalg.pinv(own, hermitian=True) @ move))
        return out

    @property
    def any(self) -> bool:
        """True if any module moved."""
        return bool(self.significant.any())


def significance_of_moves(
    blocks: Sequence[Block], layout: Layout, parameters: ModuleParameters
) -> tuple[Moves, Significance]:
    """Return the moves of modules, and their significance.

    A move is significant where Hotelling's T^2 of its three components is beyond chance for the
    number of regions of the module (with Sidak's correction for the number of modules), its size is
    at least `min_shift`, and odd and even stretches of images agree on it to within half of it.

    Parameters
    ----------
    blocks, layout : as of `fit_moves`.
    """
    found = fit_moves(blocks, layout)
    against = against_others(found.n, layout)
    moves = (against @ found.values.ravel()).reshape(-1, 3)
    covariance = against @ found.covariance @ against.T
    chance = _chance(moves, covariance, found)
    size = sizes_of(moves, layout.sizes)
    significant = (chance < parameters.false_alarm) & (size >= parameters.min_shift)
    halves = np.full(len(moves), np.nan)
    if significant.any():
        try:
            halves = sizes_of(_difference_of_halves(blocks, layout, against, found), layout.sizes)
        except InputError:  # a module is seen in one of them only
            halves[:] = np.inf
    significant &= halves <= _AGREEMENT * size
    return found, Significance(
        moves=moves, covariance=covariance, size=size, chance=chance, halves=halves,
        significant=np.asarray(significant),
    )  # fmt: skip


def sizes_of(moves: Floats, sizes: Floats) -> Floats:
    """Return the root mean square moves (m,), px, of the pixels of modules of these sizes."""
    rotated = (1e-3 * moves[:, 2]) ** 2 * (sizes**2).sum(axis=1) / 12.0
    return np.asarray(np.sqrt(moves[:, 0] ** 2 + moves[:, 1] ** 2 + rotated))


def against_others(n: Integers, layout: Layout) -> Floats:
    """Return the matrix (3 m, 3 m) from moves of modules to those against the others.

    Each is that in the frame in which the mean move of the others, weighted by their reflections
    n (m,), is zero: so it does not depend on how the whole is said to have moved.
    """
    size, rigid = 3 * len(n), layout.rigid()
    out = np.zeros((size, size))
    for k in range(len(n)):
        share = n.astype(np.float64)
        share[k] = 0.0
        mean = layout.mean(share / share.sum())
        whole = rigid @ np.linalg.solve(mean @ rigid, mean)
        out[3 * k : 3 * k + 3] = (np.eye(size) - whole)[3 * k : 3 * k + 3]
    return out


def _chance(moves: Floats, covariance: Floats, found: Moves) -> Floats:
    out = np.ones(len(moves))
    for k, (move, n) in enumerate(zip(moves, found.n_regions, strict=True)):
        if n <= 4:
            continue
        own = covariance[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
        t2 = float(move @ np.linalg.pinv(own, hermitian=True) @ move)
        alone = float(scipy.special.fdtrc(3, n - 3, t2 * (n - 3) / (3 * (n - 1))))
        out[k] = -np.expm1(len(moves) * np.log1p(-min(alone, 1.0 - 1e-16)))
    return out


def _difference_of_halves(
    blocks: Sequence[Block], layout: Layout, against: Floats, whole: Moves
) -> Floats:
    """Return the differences (m, 3) of moves by even and odd stretches of images.

    Weights begin with those of the whole, which are near.
    """
    order = np.unique(np.concatenate([b.stretch for b in blocks]))
    halves = []
    for odd in (0, 1):
        rows = [np.searchsorted(order, b.stretch) % 2 == odd for b in blocks]
        used = [
            (b.of(r), own[r])
            for b, own, r in zip(blocks, whole.left, rows, strict=True)
            if np.count_nonzero(r) > b.changes.shape[2]
        ]
        halves.append(fit_moves([b for b, _ in used], layout, [own for _, own in used]))
    difference = halves[0].values - halves[1].values
    return np.asarray((against @ difference.ravel()).reshape(-1, 3))
