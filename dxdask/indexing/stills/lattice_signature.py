"""Numbers that characterise a lattice, independent of the choice of its axes."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.indexing.reduction import niggli_reduced
from dxdask.models.crystal import b_matrix, cell_of

Cell = tuple[float, ...]

LARGEST_INDEX = 6


def signatures(reduced: Floats) -> Floats:
    """Return seven lengths (n, 7), A, in rising order, of lattices given by reduced A (n, 3, 3).

    They are those of the axes and of the shortest diagonals of faces and body. They are
    continuous in the lattice, while the axes of reduced cells jump (Andrews & Bernstein 2014,
    J. Appl. Cryst. 47, 346; their DC7).
    """
    a, b, c = np.moveaxis(np.linalg.inv(reduced), 1, 0)
    candidates = (
        (a,), (b,), (c,), (b + c, b - c), (a + c, a - c), (a + b, a - b),
        (a + b + c, a + b - c, a - b + c, b + c - a),
    )  # fmt: skip
    lengths = [np.min([np.linalg.norm(v, axis=1) for v in some], axis=0) for some in candidates]
    return np.sort(np.stack(lengths, axis=1), axis=1)


def sublattices(index: int) -> list[NDArray[np.int64]]:
    """Return the integer matrices (3, 3), rows new axes, of every sublattice of this index.

    They are in Hermite normal form: lower triangular, each lattice once.
    """
    out = []
    for a in range(1, index + 1):
        for b in range(1, index // a + 1):
            if index % (a * b):
                continue
            c = index // (a * b)
            out += [
                np.array([[a, 0, 0], [p, b, 0], [r, s, c]])
                for p in range(a)
                for r in range(a)
                for s in range(b)
            ]
    return out


def multiple_of(larger: Cell, smaller: Cell, tolerance: float) -> int | None:
    """Return the index of one primitive cell as a superlattice of the other.

    Cells (A, degree) are equal if their signatures differ by at most `tolerance`, relative. None
    where the larger is no superlattice of the smaller, 1 where they are equal.
    """
    ratio = gemmi.UnitCell(*larger).volume / gemmi.UnitCell(*smaller).volume
    index = round(ratio)
    if not 1 <= index <= LARGEST_INDEX or abs(ratio / index - 1.0) > 3.0 * tolerance:
        return None
    wanted = signatures(niggli_reduced(b_matrix(larger))[None])[0]
    basis = np.linalg.inv(b_matrix(smaller))
    made = np.array([niggli_reduced(np.linalg.inv(m @ basis)) for m in sublattices(index)])
    off = np.abs(signatures(made) / wanted - 1.0).max(axis=1)
    return index if off.min() <= tolerance else None


def mean_cell(reduced: Floats) -> Cell:
    """Return the cell whose metric is the median of those of reduced lattices A (n, 3, 3).

    Each is taken in its setting nearest to the first's.
    """
    first = np.linalg.inv(reduced[0])
    metrics = [_nearest_metric(np.linalg.inv(a), first @ first.T) for a in reduced]
    median = np.median(metrics, axis=0)
    return cell_of(np.linalg.inv(np.linalg.cholesky(median)))


def _nearest_metric(basis: Floats, metric: Floats) -> Floats:
    """Return the metric tensor (3, 3) of the basis (rows) in its setting nearest to `metric`."""
    bases = UNIMODULAR @ basis
    tensors = bases @ bases.transpose(0, 2, 1)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    off = (((tensors - metric) / scale) ** 2).sum(axis=(1, 2))
    return np.asarray(tensors[np.argmin(np.round(off, 12))])


def _unimodular() -> Floats:
    """Return the changes of axes (n, 3, 3) with elements -1, 0, 1 and determinant 1."""
    rows = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    i, j, k = np.indices((len(rows),) * 3).reshape(3, -1)
    triplets = np.stack([rows[i], rows[j], rows[k]], axis=1)
    return np.asarray(triplets[np.rint(np.linalg.det(triplets)) == 1.0], dtype=np.float64)


UNIMODULAR = _unimodular()
