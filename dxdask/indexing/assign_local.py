"""Assignment of Miller indices from spot to spot, where the lattice drifts over the sweep.

Differences of indices between neighbours are certain even where the models are off by more than
half an index over the whole sweep. Source: Kabsch 2010, Acta Cryst. D66, 133 (section 2.5).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.fate import SpotFate
from dxdask.indexing.assign import AS_NEAR, Nearest, with_indices, without_repeats
from dxdask.indexing.parameters import LocalAssignment
from dxdask.indexing.sweeps import first_members, sweep_indices
from dxdask.models import ExperimentList

_LEAST = 1e-6  # sparse graphs take a weight of zero for no edge


class Edges(NamedTuple):
    """Pairs of neighbouring spots. i, j: (m,) with i < j. weight: (m,) 0, certain, to 1.

    step: (m, 3), index of i less that of j.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    weight: Floats
    step: NDArray[np.int64]


def edges(rlp: Floats, phi: Floats, a_matrix: Floats, parameters: LocalAssignment) -> Edges:
    """Return the pairs of each spot and its nearest in reciprocal space and rotation.

    rlp : (n, 3), 1/Angstrom. phi : (n,), rad. The weight of a pair whose indices differ by h is
    1 - exp(-2 sum ((max(|d| - epsilon, 0) / epsilon)^2 + max(|h| - delta, 0)^2)), where d is the
    distance of the difference from integers.
    """
    points = np.column_stack([rlp, phi])
    n_near = min(parameters.nearest_neighbours + 1, len(points))
    near = scipy.spatial.cKDTree(points).query(points, k=n_near)[1].reshape(len(points), -1)
    i = np.repeat(np.arange(len(points)), near.shape[1])
    pairs = np.sort(np.column_stack([i, near.ravel()]), axis=1)
    i, j = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0).T
    difference = (rlp[i] - rlp[j]) @ np.linalg.inv(a_matrix).T
    step = np.rint(difference)
    off = np.maximum(np.abs(difference - step) - parameters.epsilon, 0.0) / parameters.epsilon
    far = np.maximum(np.abs(step) - parameters.delta, 0.0)
    weight = -np.expm1(-2.0 * np.sum(off**2 + far**2, axis=1))
    return Edges(i, j, weight, step.astype(np.int64))


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(order: Any, parent: Any, starts: Any, neighbour: Any, step: Any, hkl: Any) -> None:
    """Fill hkl from parents to children; neighbours and steps are lists of each spot."""
    for place in range(1, order.shape[0]):
        child = order[place]
        above = parent[child]
        for k in range(starts[above], starts[above + 1]):
            if neighbour[k] == child:
                for x in range(3):
                    hkl[child, x] = hkl[above, x] - step[k, x]
                break


def largest_tree(n: int, found: Edges, l_min: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the spots (m,) of the largest tree of certain pairs, and their indices (m, 3).

    The trees are those of the minimum spanning tree without edges of weight `l_min` or more.
    Indices are relative to that of the tree's first spot.
    """
    graph = scipy.sparse.coo_array((found.weight + _LEAST, (found.i, found.j)), shape=(n, n))
    rows = graph.tocsr()
    # older versions of scipy take indices of this type only
    rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    tree = scipy.sparse.csgraph.minimum_spanning_tree(rows).tocoo()
    certain = tree.data < l_min
    i, j = np.sort(np.stack([tree.row[certain], tree.col[certain]]), axis=0).astype(np.int64)
    label = scipy.sparse.csgraph.connected_components(
        scipy.sparse.coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False
    )[1]
    sizes = np.bincount(label)
    members = np.flatnonzero(label == np.argmax(sizes))
    at = np.searchsorted(found.i * n + found.j, i * n + j)
    both = np.concatenate([i, j]), np.concatenate([j, i])
    steps = np.concatenate([found.step[at], -found.step[at]])
    by_spot = np.argsort(both[0], kind="stable")
    starts = np.searchsorted(both[0][by_spot], np.arange(n + 1))
    walkable = scipy.sparse.coo_array((np.ones(len(both[0])), both), shape=(n, n)).tocsr()
    order, parent = scipy.sparse.csgraph.breadth_first_order(walkable, members[0], directed=False)
    hkl = np.zeros((n, 3), dtype=np.int64)
    _walk(order, parent, starts, both[1][by_spot], steps[by_spot], hkl)
    return members, hkl[members]


def assign_local(
    reflections: Reflections, experiments: ExperimentList, parameters: LocalAssignment,
    *, d_min: float = 0.0,
) -> Reflections:  # fmt: skip
    """Return the table with experiment, hkl, fate and flags, by differences between neighbours.

    Each lattice indexes the spots of its largest tree, with the offset from their nearest indices
    that most of them have. A spot that two lattices index is of that whose tree has the smaller
    misfit, or of neither (see `assign.AS_NEAR`).

    reflections: columns experiment, rlp, phi_rad, entering, flags. d_min : of the spots, Angstrom.
    """
    rlp, n = reflections["rlp"], len(reflections["rlp"])
    sweep = sweep_indices(experiments)
    of_sweep = sweep[reflections["experiment"]]
    beyond = np.zeros(n, dtype=bool)
    if d_min > 0:
        beyond = np.einsum("ij,ij->i", rlp, rlp) > 1.0 / d_min**2
    out = Nearest(
        experiment=first_members(sweep)[of_sweep].astype(np.int32),
        hkl=np.zeros((n, 3), dtype=np.int32),
        misfit=np.full(n, np.inf),
        fate=np.full(n, SpotFate.NO_LATTICE, dtype=np.uint8),
    )
    for i, e in enumerate(experiments):
        if e.crystal is None:
            continue
        mine = of_sweep == sweep[i]
        out.fate[mine & (out.fate == SpotFate.NO_LATTICE)] = SpotFate.DISCONNECTED
        rows = np.flatnonzero(mine & ~beyond)
        if len(rows) > 1:
            _add_lattice(out, reflections, rows, i, e.crystal.a, parameters)
    out.fate[beyond & (out.fate != SpotFate.NO_LATTICE)] = SpotFate.BEYOND_D_MIN
    return with_indices(reflections, experiments, out)


def _add_lattice(
    out: Nearest, table: Reflections, rows: NDArray[np.int64], lattice: int, a_matrix: Floats,
    parameters: LocalAssignment,
) -> None:  # fmt: skip
    """Give the spots of a lattice's largest tree to it, unless another fits them better."""
    rlp, phi = table["rlp"][rows], table["phi_rad"][rows]
    members, hkl = largest_tree(len(rows), edges(rlp, phi, a_matrix, parameters), parameters.l_min)
    fractional = rlp[members] @ np.linalg.inv(a_matrix).T
    offsets, counts = np.unique(np.rint(fractional) - hkl, axis=0, return_counts=True)
    hkl = hkl + offsets[np.argmax(counts)].astype(np.int64)
    misfit = np.sum((fractional - hkl) ** 2, axis=1)
    rows = rows[members]
    keep = without_repeats(
        np.full(len(rows), lattice, dtype=np.int32), hkl.astype(np.int32),
        table["entering"][rows], table["phi_rad"][rows], misfit,
    )  # fmt: skip
    keep &= np.any(hkl != 0, axis=1)
    out.fate[rows[~keep & ~np.isfinite(out.misfit[rows])]] = SpotFate.REPEATED
    rows, hkl, misfit = rows[keep], hkl[keep], misfit[keep]
    apart = np.sqrt(misfit) - np.sqrt(out.misfit[rows])
    out.fate[rows[np.abs(apart) < AS_NEAR]] = SpotFate.BETWEEN_LATTICES
    better = apart < 0
    rows = rows[better]
    out.fate[rows[apart[better] <= -AS_NEAR]] = SpotFate.INDEXED
    out.misfit[rows], out.experiment[rows] = misfit[better], lattice
    out.hkl[rows] = hkl[better]
