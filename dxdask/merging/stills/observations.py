"""Observations of stills for post-refinement, ordered by still and by reflection.

All observations of all stills are held at once, 100 bytes each, and 320 more while stills are
post-refined: 10^4 stills of 250 observations take 1 GB and half a minute of one thread. Each cycle
combines every reflection from all stills twice, errors and priors are estimated from all of them,
and the number of cycles is known only at the end, so they are one task.
"""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections, check, rows_of_images
from dxdask.errors import InputError
from dxdask.merging.stills.excitation import across, excitation
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.models import ExperimentList
from dxdask.models.symmetry import asu_indices, epsilon, is_absent, pack, spacings, unpack
from dxdask.scaling.intensities import LEAST_VARIANCE, usable
from dxdask.still_columns import Stills, check_stills

NEEDED = ("experiment", "z", "hkl", "flags", "intensity_sum", "intensity_sum_variance")
NEEDED_OF_STILLS = ("experiment", "image", "wavelength", "indexed", "a_matrix")


class StillObservations(NamedTuple):
    """Observations (n,), by still and, within a still, by reflection.

    Attributes
    ----------
    still : place among `stills`. place : of the unique reflection among `hkl`.
    intensity : corrected for polarisation. variance : the part that is not the reflection's own
        counts. slope : variance of the own counts, by intensity.
    excitation : |s0 + q| - |s0|, 1/A. gradient : (n, 3) its change by rotations about two axes
        across the beam, 1/A a rad, and by a stretch of q.
    s2 : |q|^2 / 2, so that exp(-B s2) is exp(-2 B (sin theta / wavelength)^2).
    starts : (stills + 1,) first observation of each still.
    order : (n,) observations by reflection and, within one, by still.
    bounds : (m + 1,) where each reflection begins in `order`.
    stills : rows of the table of stills. rows : (n,) rows of the table of reflections.
    hkl : (m, 3) unique. d : (m,), A. multiple : (m,) factor of the mean intensity by symmetry.
    axes : (stills, 2, 3) the rotation axes.
    """

    still: Integers
    place: Integers
    intensity: Floats
    variance: Floats
    slope: Floats
    excitation: Floats
    gradient: Floats
    s2: Floats
    starts: Integers
    order: Integers
    bounds: Integers
    stills: Integers
    rows: Integers
    hkl: NDArray[np.int32]
    d: Floats
    multiple: Floats
    axes: Floats


def observations_of(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    parameters: StillsMergingParameters,
) -> StillObservations:
    """Return the observations of indexed stills that were integrated well, within the limits.

    Raises
    ------
    InputError
        There are none.
    SchemaError
        A column is missing.
    """
    check({k: reflections[k] for k in NEEDED if k in reflections}, NEEDED)
    check_stills({k: stills[k] for k in NEEDED_OF_STILLS if k in stills}, NEEDED_OF_STILLS)
    rows, still = rows_and_stills(reflections, stills)
    d = spacings(reflections["hkl"][rows], cell)
    good = usable(reflections, "sum")[0][rows] & ~is_absent(reflections["hkl"][rows], group)
    good &= (d >= (parameters.d_min or 0.0)) & (d <= (parameters.d_max or np.inf))
    a = stills["a_matrix"][still]
    q = np.einsum("nij,nj->ni", a, reflections["hkl"][rows].astype(np.float64))
    beam = np.stack([e.beam.s0 / np.linalg.norm(e.beam.s0) for e in experiments])
    axes = np.stack([across(b) for b in beam])[stills["experiment"]]
    error, gradient = excitation(
        q, beam[stills["experiment"][still]] / stills["wavelength"][still][:, None], axes[still]
    )
    farthest = np.inf if parameters.max_excitation is None else parameters.max_excitation
    good &= np.abs(error) <= farthest
    if not good.any():
        raise InputError(
            f"none of {len(rows)} reflections of indexed stills is integrated well within d_min "
            f"{parameters.d_min} and max_excitation {parameters.max_excitation}: integrate the "
            "stills first, or widen the limits"
        )
    return _ordered(reflections, rows[good], still[good], q[good], error[good],
                    gradient[good], axes, cell, group)  # fmt: skip


def rows_and_stills(reflections: Reflections, stills: Stills) -> tuple[Integers, Integers]:
    """Return the rows of reflections of indexed stills, and the row of the still of each."""
    indexed = np.flatnonzero(stills["indexed"])
    if not len(indexed) or not len(reflections["z"]):
        raise InputError("no reflections of indexed stills to merge; index and integrate first")
    place = rows_of_images(reflections, stills["experiment"][indexed], stills["image"][indexed])
    rows = np.flatnonzero(place >= 0)
    return rows, indexed[place[rows]]


def _ordered(
    reflections: Reflections, rows: Integers, still: Integers, q: Floats, excitation: Floats,
    gradient: Floats, axes: Floats, cell: gemmi.UnitCell, group: gemmi.SpaceGroup,
) -> StillObservations:  # fmt: skip
    """Return the observations, ordered by still and by reflection."""
    asu, _ = asu_indices(reflections["hkl"][rows], group)
    keys, place = np.unique(pack(asu), return_inverse=True)
    by_still = np.lexsort((rows, pack(reflections["hkl"][rows]), place, still))
    kept, still = np.unique(still[by_still], return_inverse=True)
    rows, place = rows[by_still], place[by_still]
    intensity, variance, slope = _intensities(reflections, rows)
    starts, order, bounds = _orders(still, place, len(kept), len(keys))
    hkl = unpack(keys)
    return StillObservations(
        still=still, place=place, intensity=intensity, variance=variance, slope=slope,
        excitation=excitation[by_still], gradient=np.ascontiguousarray(gradient[by_still]),
        s2=0.5 * (q[by_still] ** 2).sum(axis=1), starts=starts, order=order,
        bounds=bounds, stills=kept, rows=rows, hkl=hkl, d=spacings(hkl, cell),
        multiple=epsilon(hkl, group), axes=axes[kept],
    )  # fmt: skip


def of_stills(o: StillObservations, which: NDArray[np.bool_]) -> StillObservations:
    """Return the observations of a selection (stills,) of the stills, and their reflections."""
    kept = which[o.still]
    seen, place = np.unique(o.place[kept], return_inverse=True)
    still = (np.cumsum(which) - 1)[o.still[kept]]
    starts, order, bounds = _orders(still, place, int(which.sum()), len(seen))
    return StillObservations(
        still=still, place=place, intensity=o.intensity[kept], variance=o.variance[kept],
        slope=o.slope[kept], excitation=o.excitation[kept], gradient=o.gradient[kept],
        s2=o.s2[kept], starts=starts, order=order, bounds=bounds, stills=o.stills[which],
        rows=o.rows[kept], hkl=o.hkl[seen], d=o.d[seen], multiple=o.multiple[seen],
        axes=o.axes[which],
    )  # fmt: skip


def _orders(
    still: Integers, place: Integers, n_stills: int, n_unique: int
) -> tuple[Integers, Integers, Integers]:
    """Return the first observation of each still, and the order by reflection with their first."""
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(still, np.arange(n_stills + 1))
    return starts, order, np.searchsorted(place[order], np.arange(n_unique + 1))


def _intensities(reflections: Reflections, rows: Integers) -> tuple[Floats, Floats, Floats]:
    """Return intensity, variance without the own counts, and variance of these by intensity."""
    total = reflections["intensity_sum"][rows]
    variance = reflections["intensity_sum_variance"][rows]
    factor = reflections["lp"][rows] if "lp" in reflections else np.ones(len(rows))
    if "qe" in reflections:
        factor = factor / reflections["qe"][rows]
    counted = np.clip(total, 0.0, variance)
    if "background_sum_variance" in reflections:
        counted = np.clip(variance - reflections["background_sum_variance"][rows], 0.0, variance)
    slope = np.divide(counted, total, out=np.ones(len(rows)), where=total > 0)
    rest = np.maximum(variance - counted, LEAST_VARIANCE)
    return total * factor, rest * factor**2, slope * factor
