"""Refinement of indexed crystals, their spots indexed anew after each cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.fate import Fate
from dxdask.geometry.scattering import Scattering
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.models import ExperimentList
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.still_outliers import rayleigh_inliers
from dxdask.refinement.stills import StillRefinementParameters, refine_stills
from dxdask.refinement.stills.measurements import Measurements, measurements_of
from dxdask.refinement.stills.refine_stills import RefinedStills
from dxdask.still_columns import Stills

CYCLES = 2


def refined(
    reflections: Reflections,
    stills: Stills,
    spots: Scattering,
    experiments: ExperimentList,
    known: KnownCell,
    parameters: StillRefinementParameters,
) -> tuple[Reflections, Stills]:
    """Return reflections and stills with the indexed crystals refined, each on its own.

    After each refinement the spots are indexed anew. A crystal with too few spots or too large an
    RMSD is rejected (`Fate.NOT_REFINED`).
    """
    reflections, stills = dict(reflections), dict(stills)
    names = ("a_matrix", "n_indexed", "indexed", "reason", "rmsd_x_px", "rmsd_y_px")
    stills |= {name: stills[name].copy() for name in names}
    reflections |= {name: reflections[name].copy() for name in ("hkl", "flags")}
    for index in np.unique(stills["experiment"][stills["indexed"]]):
        own = {**stills, "indexed": stills["indexed"] & (stills["experiment"] == index)}
        member = experiments[int(index)]
        for _ in range(CYCLES):
            measured = measurements_of(reflections, own)
            crystals = Crystals.alike(stills["a_matrix"][measured.rows], known.cell, known.group)
            result = refine_stills(measured, crystals, member, parameters)
            stills["a_matrix"][measured.rows] = result.crystals.a
            own["a_matrix"] = stills["a_matrix"]
            pixel = np.array([p.pixel_size for p in member.detector.panels])[measured.panel]
            _apply_limits(stills, measured, result, pixel, parameters)
            own["indexed"] = own["indexed"] & stills["indexed"]
            _index_again(reflections, stills, spots, own["indexed"], measured.rows, parameters)
            if not own["indexed"].any():
                break
    return reflections, stills


def _apply_limits(
    stills: Stills,
    measured: Measurements,
    result: RefinedStills,
    pixel: Floats,
    parameters: StillRefinementParameters,
) -> None:
    """Write the RMSDs of the refined stills, and reject those beyond the limits.

    Outliers are excluded from RMSDs, as in DIALS.
    """
    n = len(measured.rows)
    residuals = result.residuals[:, :2] / pixel
    used = rayleigh_inliers(np.hypot(residuals[:, 0], residuals[:, 1]), measured.still, n)
    counts = np.bincount(measured.still[used], minlength=n)
    squares = residuals[used] ** 2
    sums = [np.bincount(measured.still[used], weights=c, minlength=n) for c in squares.T]
    x, y = np.sqrt(np.array(sums) / np.where(counts > 0, counts, np.nan))
    stills["rmsd_x_px"][measured.rows], stills["rmsd_y_px"][measured.rows] = x, y
    good = (counts >= parameters.min_spots) & (np.maximum(x, y) <= parameters.max_rmsd)
    lost = measured.rows[~good]
    stills["indexed"][lost], stills["n_indexed"][lost] = False, 0
    stills["reason"][lost], stills["a_matrix"][lost] = Fate.NOT_REFINED, np.nan


def _index_again(
    reflections: Reflections,
    stills: Stills,
    spots: Scattering,
    good: NDArray[np.bool_],
    rows: NDArray[np.int64],
    parameters: StillRefinementParameters,
) -> None:
    """Write the indices of all spots of the stills of `rows`; none for those not `good`."""
    still = np.where(np.isin(spots.still, rows), spots.still, -1)
    reflections["hkl"][still >= 0] = 0
    reflections["flags"][still >= 0] &= ~np.uint32(Flag.INDEXED)
    mine = np.flatnonzero((still >= 0) & good[still])
    inverse = np.linalg.inv(stills["a_matrix"][good])
    place = np.cumsum(good) - 1
    h = np.einsum("nij,nj->ni", inverse[place[still[mine]]], spots.q[mine])
    nearest = np.rint(h)
    near = np.abs(h - nearest).max(axis=1) <= parameters.index_tolerance
    near &= np.any(nearest != 0, axis=1)
    reflections["hkl"][mine[near]] = nearest[near].astype(np.int32)
    reflections["flags"][mine[near]] |= np.uint32(Flag.INDEXED)
    counts = np.bincount(still[mine[near]], minlength=len(good)).astype(np.int32)
    stills["n_indexed"][rows] = counts[rows]
