"""Observations of scaling: usable reflections, corrected and grouped by symmetry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, check
from dxdask.errors import InputError
from dxdask.models import ExperimentList, space_group
from dxdask.models.symmetry import asu_indices, pack, spacings, unpack
from dxdask.scaling.intensities import (
    LEAST_VARIANCE,
    SUMMED,
    Choice,
    Estimates,
    estimates,
    usable,
)
from dxdask.scaling.parameters import CutDataParameters

NEEDED = (
    "experiment",
    "hkl",
    "flags",
    "z_cal",
    "partiality",
    "lp",
    "qe",
    *SUMMED,
)
_SHELL = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Observations:
    """Observations (n,), sorted by unique reflection, then experiment, then z: the order of sums.

    Attributes
    ----------
    rows : (n,) rows of the table of reflections.
    experiment : (n,) int32.
    z : (n,) images.
    intensity : (n,) corrected for lp, qe and partiality.
    counts : (n,) variance of the own counts, by intensity; 0 where `variance` includes it.
    variance : (n,) of the background and, where `counts` is 0, of the own counts.
    partiality : (n,)
    offsets : (n_groups + 1,) where each group begins.
    group : (n,) group of each observation.
    hkl : (n_groups, 3) index in the asymmetric unit.
    d : (n_groups,) Angstrom.
    factor : (n,) correction from counts to intensities.
    estimates : summed and fitted, in counts, that `intensity` combines.
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
    factor: Floats
    estimates: Estimates

    def __len__(self) -> int:
        return len(self.rows)

    def combined(self, expected: Floats) -> Observations:
        """Return the observations with the best intensities; expected : (n,) true ones."""
        counts, variance, slope = self.estimates.combined(expected / self.factor)
        return replace(
            self,
            intensity=counts * self.factor,
            counts=slope * self.factor,
            variance=variance * self.factor**2,
        )


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


def is_corrected(reflections: Reflections) -> NDArray[np.bool_]:
    """Return true for reflections (n,) with what their correction and scale depend on."""
    out = np.isfinite(reflections["z_cal"])
    for name in ("lp", "qe"):
        out &= (reflections[name] > 0) & np.isfinite(reflections[name])
    return out & np.isfinite(reflections["partiality"])


def usable_rows(
    reflections: Reflections, d: Floats, parameters: CutDataParameters, choice: Choice
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the reflections (n,) that were integrated well, and those within the limits too.

    Raises
    ------
    InputError
        There are no intensities of this choice.
    """
    summed, fitted = usable(reflections, choice)
    well = (summed | fitted) & (reflections["hkl"] != 0).any(axis=1)
    well &= is_corrected(reflections)
    kept = well & (reflections["partiality"] >= max(parameters.partiality_cutoff, 1e-3))
    kept &= (d >= (parameters.d_min or 0.0)) & (d <= (parameters.d_max or np.inf))
    kinds = (("sum", summed), ("prf", fitted & ~summed))
    for kind, rows in kinds if fitted.any() else kinds[:1]:
        variance = reflections[f"intensity_{kind}_variance"][rows]
        sigma = np.sqrt(np.maximum(variance, LEAST_VARIANCE))
        kept[rows] &= reflections[f"intensity_{kind}"][rows] / sigma > parameters.min_isigi
    return well, kept


def observations(
    reflections: Reflections,
    rows: NDArray[np.int64],
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    *,
    anomalous: bool,
    expected: bool,
    choice: Choice,
) -> Observations:
    """Return the observations of these rows.

    Two estimates of an intensity are combined for the mean intensity of their resolution.

    Parameters
    ----------
    reflections : columns `NEEDED`.
    rows : (n,) rows that are used.
    anomalous : True if Friedel mates are different reflections.
    expected : True to leave the variance of the own counts out of `variance`; it is then expected
        from the mean of the equivalents.
    choice : of summed and fitted intensities.
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
    nothing = np.zeros(len(rows))
    obs = Observations(
        rows=rows,
        experiment=experiment,
        z=z,
        intensity=nothing,
        counts=nothing,
        variance=nothing,
        partiality=partiality,
        offsets=offsets,
        group=np.repeat(np.arange(len(unique)), np.diff(offsets)),
        hkl=hkl,
        d=spacings(hkl, cell),
        factor=factor,
        estimates=estimates(reflections, rows, choice, expected=expected),
    )
    return obs.combined(median_at_resolution(obs))


def median_at_resolution(obs: Observations, g: Floats | None = None) -> Floats:
    """Return the median intensity (n,) of the observations of similar resolution.

    g : (n,) scales, for observations of all experiments; None: of the same experiment.
    """
    e = obs.estimates
    simple = np.where(e.has_sum, e.total, e.fit) * obs.factor
    if g is not None:
        simple /= g
    out = np.zeros(len(obs))
    d = obs.d[obs.group]
    kind = obs.experiment if g is None else np.zeros(len(obs), dtype=np.int32)
    order = np.lexsort((-d, kind))
    for rows in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        for part in np.array_split(rows, max(len(rows) // _SHELL, 1)):
            out[part] = np.median(simple[part])
    if g is not None:
        out *= g
    return out
