"""Indexing of many stills, one after the other, as one task does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.fate import Fate
from dxdask.geometry.scattering import Scattering, scattering_of
from dxdask.indexing.stills.blind import lattice_of_still
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.indexing.stills.refined import refined
from dxdask.indexing.stills.still import index_still
from dxdask.models import ExperimentList
from dxdask.still_columns import Stills


class IndexedStills(NamedTuple):
    """Stills after indexing.

    Attributes
    ----------
    reflections : as given, with s1, rlp, hkl and the flag INDEXED. stills : as given, with indexed,
    n_indexed, a_matrix, rmsd_x_px, rmsd_y_px and reason. additional_still : (k,) row of the
    still of an additional lattice, and additional_a_matrix : (k, 3, 3), 1/A; no spots of these.
    """

    reflections: Reflections
    stills: Stills
    additional_still: NDArray[np.int64]
    additional_a_matrix: Floats


def lattices_of_stills(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: StillIndexParameters | None = None,
) -> Floats:
    """Return the reduced A (k, 3, 3), 1/A, of the hits with a lattice, cell not known."""
    parameters = parameters or StillIndexParameters()
    spots = scattering_of(reflections, stills, experiments)
    rows = spots.by_still(len(stills["hit"]))
    found = [lattice_of_still(spots.q[rows[i]], parameters) for i in np.flatnonzero(stills["hit"])]
    return np.array([a for a in found if a is not None]).reshape(-1, 3, 3)


def index_known(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    known: KnownCell,
    parameters: StillIndexParameters | None = None,
) -> IndexedStills:
    """Index the hits by crystals of a known cell, and refine each against its own spots.

    reflections : experiment, panel, x, y, z, n_pixels. stills : experiment, image, wavelength, hit.
    """
    parameters = parameters or StillIndexParameters()
    spots = scattering_of(reflections, stills, experiments)
    table, hkl, additional = _searched(spots, stills, known, parameters)
    reflections = _with_indices(reflections, spots, hkl)
    if parameters.refine and table["indexed"].any():
        reflections, table = refined(
            reflections, table, spots, experiments, known, parameters.refinement
        )
    rows = np.array([row for row, _ in additional], dtype=np.int64)
    return IndexedStills(
        reflections, table, rows, np.array([a for _, a in additional]).reshape(-1, 3, 3)
    )


def _searched(
    spots: Scattering, stills: Stills, known: KnownCell, parameters: StillIndexParameters
) -> tuple[Stills, NDArray[np.int32], list[tuple[int, Floats]]]:
    """Return the table of stills with crystals, hkl (n, 3) of the spots, additional lattices."""
    n = len(stills["hit"])
    a_matrix = np.full((n, 3, 3), np.nan)
    reason = stills.get("reason", np.full(n, Fate.NO_HIT)).astype(np.int32)
    n_indexed = np.zeros(n, np.int32)
    hkl = np.zeros((len(spots.q), 3), np.int32)
    additional: list[tuple[int, Floats]] = []
    rows = spots.by_still(n)
    for i in np.flatnonzero(stills["hit"]):
        found = index_still(spots.q[rows[i]], known, parameters)
        reason[i] = found.fate
        if len(found.a_matrices) == 0:
            continue
        main = int(np.argmax(np.bincount(found.lattice[found.lattice >= 0])))
        of_main = rows[i][found.lattice == main]
        hkl[of_main] = found.hkl[found.lattice == main]
        a_matrix[i], n_indexed[i] = found.a_matrices[main], len(of_main)
        additional += [(int(i), a) for k, a in enumerate(found.a_matrices) if k != main]
    table = {
        **stills, "a_matrix": a_matrix, "n_indexed": n_indexed, "reason": reason,
        "indexed": n_indexed > 0, "rmsd_x_px": np.full(n, np.nan), "rmsd_y_px": np.full(n, np.nan),
    }  # fmt: skip
    return table, hkl, additional


def _with_indices(
    reflections: Reflections, spots: Scattering, hkl: NDArray[np.int32]
) -> Reflections:
    """Return the reflections with s1, rlp, hkl, and the flag INDEXED where hkl is not 0."""
    flags = reflections.get("flags", np.zeros(len(hkl), np.uint32)) & ~np.uint32(Flag.INDEXED)
    indexed = np.any(hkl != 0, axis=1)
    flags = np.where(indexed, flags | np.uint32(Flag.INDEXED), flags).astype(np.uint32)
    return {**reflections, "s1": spots.s1, "rlp": spots.q, "hkl": hkl, "flags": flags}
