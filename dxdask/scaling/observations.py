"""The observations that scaling works on: usable reflections, corrected, grouped by symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, check, has_flag
from dxdask.errors import InputError
from dxdask.models import ExperimentList, space_group
from dxdask.models.symmetry import asu_indices, pack, spacings, unpack
from dxdask.models.vectors import Floats
from dxdask.scaling.parameters import CutDataParameters

NEEDED = (
    "experiment",
    "hkl",
    "flags",
    "z_cal",
    "partiality",
    "lp",
    "qe",
    "intensity_sum",
    "intensity_sum_variance",
)
BAD = (
    Flag.OVERLOADED
    | Flag.OVERLAPPED_FG
    | Flag.FOREGROUND_INCLUDES_BAD_PIXELS
    | Flag.FAILED_DURING_SUMMATION
)
_LEAST_VARIANCE = 0.25  # counts^2: no box of pixels is known better than half a photon


@dataclass(frozen=True, kw_only=True, slots=True)
class Observations:
    """Columns of one row an observation, sorted by symmetry group, then experiment, then z: a fixed
    order of sums.

    Attributes
    ----------
    rows : (n,) place in the table of reflections.
    experiment : (n,) int32.
    z : (n,) images.
    intensity : (n,) corrected for lp, qe and partiality.
    counts : (n,) factor that took the counts to `intensity`; 0 where the variance is to be as
        observed.
    variance : (n,) of the background and, where `counts` is 0, of all.
    partiality : (n,)
    offsets : (n_groups + 1,) where each group begins.
    group : (n,) which group an observation is in.
    hkl : (n_groups, 3) index in the asymmetric unit.
    d : (n_groups,) Angstrom.
    """

    rows: NDArray[np.int64]
    experiment: NDArray[np.int32]
    z: Floats
    intensity: Floats
    counts: Floats
    variance: Floats
    partiality: Floats
    offsets: NDArray[np.int64]
    group: NDArray[np.int64]
    hkl: NDArray[np.int32]
    d: Floats

    def __len__(self) -> int:
        return len(self.rows)


def common_symmetry(experiments: ExperimentList) -> tuple[gemmi.UnitCell, gemmi.SpaceGroup]:
    """Return the median cell of the experiments and their space group.

    Raises
    ------
    InputError
        There is no crystal, or the space groups differ.
    """
    crystals = [e.crystal for e in experiments if e.crystal is not None]
    if not crystals:
        raise InputError("no experiment has a crystal: index the data first")
    symbols = sorted({space_group(c.space_group).xhm() for c in crystals})
    if len(symbols) > 1:
        raise InputError(
            f"experiments differ in space group ({', '.join(symbols)}): reindex them to one setting"
        )
    cell = np.median([c.unit_cell for c in crystals], axis=0)
    return gemmi.UnitCell(*cell.tolist()), space_group(crystals[0].space_group)


def usable_rows(
    reflections: Reflections, d: Floats, parameters: CutDataParameters
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which reflections (n,) were integrated well, and which of them the user's cuts
    leave.
    """
    variance = reflections["intensity_sum_variance"]
    well = has_flag(reflections, Flag.INTEGRATED_SUM) & ~has_flag(reflections, BAD)
    well &= (
        np.isfinite(reflections["intensity_sum"])
        & (variance >= 0)
        & (reflections["hkl"] != 0).any(axis=1)
    )
    well &= (reflections["lp"] > 0) & (reflections["qe"] > 0)
    kept = well & (reflections["partiality"] >= max(parameters.partiality_cutoff, 1e-3))
    kept &= (d >= (parameters.d_min or 0.0)) & (d <= (parameters.d_max or np.inf))
    sigma = np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
    kept &= reflections["intensity_sum"] / sigma > parameters.min_isigi
    return well, kept


def observations(
    reflections: Reflections,
    rows: NDArray[np.int64],
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    *,
    anomalous: bool,
    expected: bool,
) -> Observations:
    """Return the observations of these rows.

    Parameters
    ----------
    reflections : columns `NEEDED`.
    rows : (n,) which of them.
    anomalous : whether Friedel mates are different reflections.
    expected : whether the variance of the counts themselves is left out of `variance`, to be
        replaced by what the mean of the equivalents makes expect.
    """
    check({k: reflections[k] for k in NEEDED if k in reflections}, NEEDED)
    asu, isym = asu_indices(reflections["hkl"][rows], group)
    if anomalous:
        asu[isym % 2 == 0] *= -1
    packed = pack(asu)
    experiment, z = reflections["experiment"][rows], reflections["z_cal"][rows]
    order = np.lexsort((rows, z, experiment, packed))
    rows, packed, experiment, z = rows[order], packed[order], experiment[order], z[order]
    unique, first = np.unique(packed, return_index=True)
    offsets = np.append(first, len(rows)).astype(np.int64)
    hkl = unpack(unique)
    partiality = reflections["partiality"][rows]
    factor = reflections["lp"][rows] / (reflections["qe"][rows] * partiality)
    counted, total = reflections["intensity_sum"][rows], reflections["intensity_sum_variance"][rows]
    # the part of the variance that is the reflection's own counts: all of |I| for a counting
    # detector of gain 1
    own = np.minimum(np.abs(counted), total) if expected else np.zeros_like(total)
    share = np.divide(own, np.abs(counted), out=np.zeros_like(own), where=counted != 0)
    share = np.where((counted == 0) & expected, 1.0, share)
    return Observations(
        rows=rows,
        experiment=experiment,
        z=z,
        intensity=counted * factor,
        counts=factor * share,
        variance=np.maximum(total - own, _LEAST_VARIANCE) * factor**2,
        partiality=partiality,
        offsets=offsets,
        group=np.repeat(np.arange(len(unique)), np.diff(offsets)),
        hkl=hkl,
        d=spacings(hkl, cell),
    )
