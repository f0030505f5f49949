"""Several lattices of one sweep, integrated together: their reflections may share pixels.

They have the profile of all their spots together, and the pixels of two reflections are shared as
those of one lattice are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, concatenate, select
from dxdask.errors import InputError
from dxdask.integration.local_profile import LocalProfile, local_profiles
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict_from_parameters
from dxdask.integration.profile_model import estimate_profile
from dxdask.integration.setting import setting_along_scan
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult


class SweepModels(NamedTuple):
    """The lattices of a sweep with one profile, and its local one if profiles are fitted."""

    experiments: ExperimentList
    local: LocalProfile | None

    @property
    def first(self) -> Experiment:
        """The experiment of the first lattice; others differ in their crystals only."""
        return self.experiments[0]


def sweep_models(
    spots: Reflections,
    pixels: Mapping[str, NDArray[Any]],
    experiments: ExperimentList,
    parameters: IntegrationParameters,
) -> SweepModels:
    """Return the experiments of one sweep with their profile.

    Crystals vary along the scan where their spots show that they do. Experiments without a crystal
    are left out.

    spots : of the sweep, indexed and predicted; pixels : of the spots, see `estimate_profile`.

    Raises
    ------
    InputError
        No experiment has a crystal, or they differ in beam, detector, goniometer or scan.
    """
    kept = [i for i, m in enumerate(experiments.members) if m.crystal is not None]
    _check_one_sweep(experiments, kept)
    found, table = [], dict(spots)
    for i in kept or [0]:
        rows = np.flatnonzero(spots["experiment"] == i)
        alone = ExperimentList.of([experiments[i]])
        if parameters.crystal.scan_varying and kept:
            setting = setting_along_scan(_as_first(select(spots, rows)), alone)
            alone = setting.experiments
            for name, values in setting.spots.items():
                if name != "experiment":
                    table[name] = _with_rows(table.get(name), rows, values, len(spots["flags"]))
        found.append(alone[0])
    # the profile is that of the spots of all lattices
    one = ExperimentList.of([found[0]])
    table = _as_first(table)
    one = estimate_profile(table, pixels, one, parameters)
    local = None
    if parameters.profile.fitting:
        local = local_profiles(table, pixels, one, parameters.profile)[0]
    profile = one[0].profile
    return SweepModels(ExperimentList.of([replace(e, profile=profile) for e in found]), local)


def _check_one_sweep(experiments: ExperimentList, kept: list[int]) -> None:
    members = [experiments.members[i] for i in kept]
    if len({(m.beam, m.detector, m.goniometer, m.scan) for m in members}) > 1:
        raise InputError(
            f"run {members[0].run} has {len(members)} experiments that differ in beam, detector, "
            "goniometer or scan; integrate each as a run of its own"
        )


def _as_first(table: Reflections) -> Reflections:
    return table | {"experiment": np.zeros_like(table["experiment"])}


def _with_rows(
    whole: NDArray[Any] | None, rows: NDArray[np.intp], values: NDArray[Any], n: int
) -> NDArray[Any]:
    """Return a column with some rows replaced."""
    out = np.zeros((n, *values.shape[1:]), values.dtype) if whole is None else whole.copy()
    out[rows] = values
    return out


def predict_lattices(models: SweepModels, parameters: IntegrationParameters) -> Reflections:
    """Return the reflections of all lattices of a sweep, one lattice after the other."""
    return concatenate(
        [predict_from_parameters(e, parameters, i) for i, e in enumerate(models.experiments)]
    )


def with_lattices(result: StepResult, models: SweepModels) -> StepResult:
    """Return the result of the integration of a sweep with the models of all its lattices."""
    return replace(result, experiments=models.experiments)
