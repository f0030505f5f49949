"""Blocks of the normal equations, one for each experiment, as preconditioner.

The parameters of one experiment are correlated (neighbouring points of a smoother, scale and B
factor), those of different ones only through the means of equivalents. Conjugate gradients with the
inverse blocks as preconditioner take a tenth of the iterations that they take with the diagonal.

Up to `LARGEST_WHOLE` parameters are one block, with what the means take from it: that is the normal
matrix itself, whose inverse is the solution. Conjugate gradients then need few iterations where
scales or observations differ a little from those that the matrix was made of.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.scaling.design import Design, add_row

LARGEST_WHOLE = 512
_MOST_SUMS = 4_000_000  # of groups of equivalents at a time, 32 MB


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(curvature, owner, local, index, value, first, dense, out):  # type: ignore[no-untyped-def]
    n_sparse, n_dense = index.shape[1], dense.shape[1]
    places = np.empty(n_sparse + n_dense, dtype=np.int64)
    x = np.empty(n_sparse + n_dense)
    for i in range(index.shape[0]):
        if curvature[i] <= 0.0:
            continue
        n, own = 0, owner[index[i, 0]]
        for k in range(n_sparse):
            if value[i, k] == 0.0:
                continue
            p = index[i, k]
            if owner[p] != own:
                # shared by experiments, and in the block of the first of them
                out[owner[p], local[p], local[p]] += curvature[i] * value[i, k] ** 2
                continue
            places[n], x[n] = local[p], value[i, k]
            n += 1
        if first[i] >= 0:
            for k in range(n_dense):
                places[n], x[n] = local[first[i] + k], dense[i, k]
                n += 1
        block = out[own]
        for j in range(n):
            scaled = curvature[i] * x[j]
            for k in range(j + 1):
                a, b = max(places[j], places[k]), min(places[j], places[k])
                block[a, b] += scaled * x[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _group_sums(offsets, curvature, index, value, first, dense, out):  # type: ignore[no-untyped-def]
    """Set out (n_groups, m) to sum c x / (sum c)^1/2 of each group of equivalents."""
    out[:] = 0.0
    for h in range(len(offsets) - 1):
        total, row = 0.0, out[h]
        for i in range(offsets[h], offsets[h + 1]):
            if curvature[i] > 0.0:
                total += curvature[i]
                add_row(index, value, first, dense, i, curvature[i], row)
        if total > 0.0:
            row /= np.sqrt(total)


class Blocks:
    """Inverses of the blocks of the parameters of each experiment, or of all where they are few.

    Parameters
    ----------
    owners : (m,) experiment of each parameter, of which there is at least one for each.

    Attributes
    ----------
    is_whole : whether the parameters of all experiments are one block.
    damping, added : of the last update, relative to the diagonal, and what it added to it (m,).
    """

    def __init__(self, owners: NDArray[np.int32]) -> None:
        self.is_whole = len(owners) <= LARGEST_WHOLE
        if self.is_whole:
            owners = np.zeros_like(owners)
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners)
        first = np.cumsum(counts) - counts
        self.owners = owners
        self.local = np.empty(len(owners), dtype=np.int64)
        self.local[order] = np.arange(len(owners)) - np.repeat(first, counts)
        self.shape = (len(counts), int(counts.max(initial=1)))
        self.inverse: Floats = np.zeros((*self.shape, self.shape[1]))
        self.damping, self.added = 0.0, np.zeros(len(owners))

    def update(
        self,
        offsets: NDArray[np.int64],
        curvature: Floats,
        design: Design,
        restraint: Floats,
        damping: float,
    ) -> None:
        """Set the blocks to sum c x x^T of the rows x, plus restraints and damping.

        A block of all has sum c (x - x')(x - x')^T, with x' the mean of x in the group.

        offsets : (n_groups + 1,) where each group begins. curvature : (n,) c of each row.
        restraint : (m,). damping : relative to the diagonal of the sum c x x^T.
        """
        blocks = np.zeros_like(self.inverse)
        _accumulate(curvature, self.owners, self.local, *design.arrays, blocks)
        blocks += np.tril(blocks, -1).transpose(0, 2, 1)
        diagonal = blocks[self.owners, self.local, self.local] + restraint
        self.damping, self.added = damping, damping * np.where(diagonal > 0.0, diagonal, 1.0)
        blocks[self.owners, self.local, self.local] = diagonal + self.added
        if self.is_whole:
            self._subtract_means(offsets, curvature, design, blocks[0])
        empty = np.ones(self.shape, dtype=np.bool_)
        empty[self.owners, self.local] = False
        which, place = np.nonzero(empty)
        blocks[which, place, place] = 1.0
        self.inverse = np.asarray(np.linalg.inv(blocks), dtype=np.float64)

    def _subtract_means(
        self, offsets: NDArray[np.int64], curvature: Floats, design: Design, block: Floats
    ) -> None:
        """Subtract sum c x' x'^T from a block (m, m)."""
        m = len(block)
        at_a_time = max(_MOST_SUMS // max(m, 1), 1)
        for start in range(0, len(offsets) - 1, at_a_time):
            part = offsets[start : start + at_a_time + 1]
            sums = np.empty((len(part) - 1, m))
            _group_sums(part, curvature, *design.arrays, sums)
            block -= sums.T @ sums

    def solve(self, right: Floats) -> Floats:
        """Return the inverse blocks times `right` (m,)."""
        parts = np.zeros(self.shape)
        parts[self.owners, self.local] = right
        out = np.matmul(self.inverse, parts[:, :, None])[:, :, 0]
        return np.asarray(out[self.owners, self.local])
