"""Indexing ambiguity of stills, resolved.

A still of a crystal of lower symmetry than its lattice is indexed in one of several settings by
chance; reindexing brings all to one.
"""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.merging.stills.assignment import chances_of_settings
from dxdask.merging.stills.fit import SCALE
from dxdask.merging.stills.observations import StillObservations, observations_of, rows_and_stills
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.merging.stills.partiality import partialities
from dxdask.merging.stills.priors import FIRST_TAIL
from dxdask.merging.stills.start import first_parameters, first_radius
from dxdask.merging.stills.wilson import shells_of
from dxdask.models import ExperimentList
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling.observations import common_symmetry
from dxdask.still_columns import Stills
from dxdask.tables import Table

# of the mean intensity at that resolution: a single brighter reflection would decide the setting
_BRIGHTEST = 4.0
_LEAST_PARTIALITY = 0.2


class Resolved(NamedTuple):
    """Reflections and stills in one setting.

    Attributes
    ----------
    setting : (stills,) index of the operator that was applied to each. table : operators and
    counts.
    """

    reflections: Reflections
    stills: Stills
    setting: NDArray[np.int64]
    table: Table


def ambiguous_operators(
    cell: gemmi.UnitCell, group: gemmi.SpaceGroup, max_obliquity: float
) -> list[gemmi.Op]:
    """Return the reindexing operators of the settings that the lattice allows, identity first.

    max_obliquity : largest deviation of the lattice from the higher symmetry, degree.
    """
    laws = gemmi.find_twin_laws(cell, group, max_obliquity, False)
    return [gemmi.Op("x,y,z"), *sorted(laws, key=lambda op: op.triplet())]


def resolve_ambiguity(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: StillsMergingParameters | None = None,
) -> Resolved:
    """Reindex all stills to one setting, where the symmetry of the lattice allows several.

    Arguments are those of `merge_stills`. The common setting is any of those allowed. hkl and
    a_matrix change together: A h stays the same.

    Raises
    ------
    SchemaError, InputError
        As `merge_stills`.
    """
    parameters = parameters or StillsMergingParameters()
    cell, group = common_symmetry(experiments)
    given = parameters.ambiguity
    operators = ambiguous_operators(cell, group, given.max_obliquity)
    setting = np.zeros(len(stills["indexed"]), np.int64)
    if len(operators) > 1 and given.resolve:
        o = observations_of(reflections, stills, experiments, cell, group, parameters)
        hkl = reflections["hkl"][o.rows]
        place, n_unique = _places(hkl, operators, group)
        value, weight = _normalised(o)
        seeds = np.argsort(-np.diff(o.starts), kind="stable")[: given.n_seeds]
        found = [
            chances_of_settings(o.starts, place, value, weight, n_unique, int(s)) for s in seeds
        ]
        chances, _ = max(found, key=lambda f: f[1])
        setting[o.stills] = chances.argmax(axis=1)
        reflections, stills = _reindexed_stills(reflections, stills, setting, operators)
    counts = np.bincount(setting[stills["indexed"]], minlength=len(operators))
    table = Table(
        name="ambiguity",
        title="Settings that stills were indexed in",
        rows=[
            {"operator": op.as_hkl().triplet(), "n_stills": int(c)}
            for op, c in zip(operators, counts, strict=True)
        ],
    )
    return Resolved(reflections, stills, setting, table)


def _places(
    hkl: NDArray[np.int32], operators: list[gemmi.Op], group: gemmi.SpaceGroup
) -> tuple[NDArray[np.int64], int]:
    """Return the unique reflection (k, n) of each in each setting, and the number of those."""
    keys = [pack(asu_indices(_reindexed(hkl, op), group)[0]) for op in operators]
    unique, place = np.unique(np.concatenate(keys), return_inverse=True)
    return place.reshape(len(operators), -1), len(unique)


def _reindexed(hkl: NDArray[np.int32], op: gemmi.Op) -> NDArray[np.int32]:
    rotation = np.array(op.rot, dtype=np.int64)
    return np.asarray(hkl.astype(np.int64) @ rotation // op.DEN, dtype=np.int32)


def _normalised(o: StillObservations) -> tuple[Floats, Floats]:
    """Return intensities over the mean of their resolution shell, of mean 0, and weights (n,)."""
    shell = shells_of(o)
    radius = first_radius(o, FIRST_TAIL)
    theta = first_parameters(o, shell, radius, FIRST_TAIL)
    p = partialities(o.excitation / radius, FIRST_TAIL)
    scale = np.exp(theta[o.still, SCALE])
    n = int(shell.max()) + 1
    place = shell[o.place]
    top = np.bincount(place, weights=p * scale * o.intensity, minlength=n)
    bottom = np.bincount(place, weights=(p * scale) ** 2, minlength=n)
    mean = np.maximum(top / np.maximum(bottom, 1e-300), 1e-300)[place]
    value = np.clip(o.intensity / (scale * p * mean), -1.0, _BRIGHTEST)
    # variance of counting, at the mean intensity
    noise = o.variance / (scale * p * mean) ** 2
    weight = np.where(p >= _LEAST_PARTIALITY, p * p / (1.0 + noise), 0.0)
    value -= (weight * value).sum() / weight.sum()
    return value, weight


def _reindexed_stills(
    reflections: Reflections, stills: Stills, setting: NDArray[np.int64], operators: list[gemmi.Op]
) -> tuple[Reflections, Stills]:
    """Return reflections and stills reindexed by the operator of each still."""
    hkl, a = reflections["hkl"].copy(), stills["a_matrix"].copy()
    rows, still = rows_and_stills(reflections, stills)
    for k, op in enumerate(operators[1:], start=1):
        own = rows[setting[still] == k]
        hkl[own] = _reindexed(hkl[own], op)
        inverse = np.linalg.inv(np.array(op.rot) / op.DEN)
        a[setting == k] = a[setting == k] @ inverse.T
    return {**reflections, "hkl": hkl}, {**stills, "a_matrix": a}
