"""The scaling model of all experiments: its components, from the parameters of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Experiment, ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.scaling.array_model import Axis, GridComponent, detector_area, response_component
from dxdask.scaling.components import AbsorptionComponent, Component, Index, SmoothComponent
from dxdask.scaling.design import Design
from dxdask.scaling.dose import DoseComponent, doses
from dxdask.scaling.groups import groups_of
from dxdask.scaling.image_scales import image_component
from dxdask.scaling.parameters import PhysicalParameters, ScalingParameters
from dxdask.scaling.variables import Variables

# length of short scans, and the spacings of the points of scale and B; degrees (DIALS)
_SHORT_SCANS = ((5.0, 1.0, 1.5), (10.0, 2.0, 3.0), (25.0, 4.0, 5.0), (90.0, 8.0, 10.0))
_DEFAULT_INTERVALS = (15.0, 20.0)
Level = Literal["low", "medium", "high"]
# order of the harmonics, and weight of their restraint (DIALS)
ABSORPTION: dict[Level, tuple[int, float]] = {
    "low": (4, 5e5),
    "medium": (6, 5e4),
    "high": (6, 5e3),
}
_SHORTEST_FOR_ABSORPTION = 60.0  # degrees (DIALS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingModel:
    """Components; parameters are those of the first component, then of the second, and so on."""

    n_experiments: int
    components: tuple[Component, ...]

    @property
    def owners(self) -> Index:
        """Experiment (m,) of each parameter."""
        return np.concatenate([c.owners for c in self.components])

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints of the parameters."""
        return np.concatenate([c.restraint for c in self.components])

    @property
    def is_level(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Parameters (m,) that are logarithms of the whole scale."""
        return np.concatenate([np.full(len(c.owners), c.is_level) for c in self.components])

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of parameters by component."""
        return {c.name: len(c.owners) for c in self.components}

    @property
    def needs(self) -> frozenset[str]:
        """Attributes of `Variables` that are used, beside experiment, z and d."""
        return frozenset().union(*(c.needs for c in self.components))

    def of(self, name: str, parameters: Floats) -> list[Floats]:
        """Return the parameters of a component by experiment; none without that component."""
        place = 0
        for component in self.components:
            owners = component.owners
            if component.name == name:
                mine = parameters[place : place + len(owners)]
                bounds = np.searchsorted(owners, np.arange(1, self.n_experiments))
                return np.split(mine, bounds)
            place += len(owners)
        return []

    def part(self, name: str) -> slice | None:
        """Return the place of the parameters of a component; None without it."""
        place = 0
        for component in self.components:
            n = len(component.owners)
            if component.name == name:
                return slice(place, place + n)
            place += n
        return None

    def design(self, variables: Variables) -> Design:
        """Return the design of observations with these variables."""
        sparse: list[tuple[Index, Floats]] = []
        first, dense = None, None
        place = 0
        for component in self.components:
            index, value = component.design(variables)
            if index.ndim == 1:
                first, dense = np.where(index < 0, -1, index + place).astype(np.int32), value
            else:
                sparse.append((index + np.int32(place), value))
            place += len(component.owners)
        return Design(
            index=np.concatenate([s[0] for s in sparse], axis=1),
            value=np.concatenate([s[1] for s in sparse], axis=1),
            first=np.full(len(variables.z), -1, np.int32) if first is None else first,
            dense=np.zeros((len(variables.z), 0), np.float32) if dense is None else dense,
        )

    def with_absorption(self, experiments: Sequence[bool], level: Level) -> ScalingModel:
        """Return the model with absorption of some experiments, after its other components."""
        l_max, weight = ABSORPTION[level]
        more = AbsorptionComponent(experiments=tuple(experiments), l_max=l_max, weight=weight)
        kept = tuple(c for c in self.components if c.name != more.name)
        return replace(self, components=(*kept, more))


def intervals(total_degrees: float, parameters: PhysicalParameters) -> tuple[float, float]:
    """Return the spacings of the points of scale and B factor, degrees, by length of scan."""
    scale, decay = next((s[1:] for s in _SHORT_SCANS if total_degrees < s[0]), _DEFAULT_INTERVALS)
    return parameters.scale_interval or scale, parameters.decay_interval or decay


def _degrees(experiment: Experiment) -> float:
    scan = experiment.scan
    return 0.0 if scan is None else abs(scan.oscillation[1]) * scan.n_images


def absorbing(experiments: ExperimentList, parameters: ScalingParameters) -> list[bool]:
    """Return the experiments whose absorption can be determined: of long scans."""
    physical = parameters.model in ("auto", "physical", "dose_decay")
    return [physical and _degrees(e) >= _SHORTEST_FOR_ABSORPTION for e in experiments]


def _has_response(parameters: ScalingParameters) -> bool:
    return parameters.model == "KB" and parameters.KB.modulation_correction


def needs_of(experiments: ExperimentList, parameters: ScalingParameters) -> frozenset[str]:
    """Return the attributes of `Variables` that a model may use, beside experiment, z and d."""
    if parameters.model == "array" or _has_response(parameters):
        return frozenset({"detector"})
    absorption = parameters.physical.absorption != "none" and any(
        absorbing(experiments, parameters)
    )
    return frozenset({"directions"} if absorption else ())


def _smoothers(experiment: Experiment, parameters: ScalingParameters) -> tuple[Smoother, Smoother]:
    scan, total = experiment.scan, _degrees(experiment)
    if scan is None or parameters.model == "KB" or (parameters.model == "auto" and total < 1.0):
        constant = Smoother(start=0.0, width=1.0, n_intervals=0)
        return constant, constant
    start, width = float(scan.array_range[0]), float(scan.n_images)
    scale, decay = (
        Smoother(start=start, width=width, n_intervals=int(total / (spacing + 1e-5)) + 1)
        for spacing in intervals(total, parameters.physical)
    )
    return scale, decay


def scaling_model(
    experiments: ExperimentList, parameters: ScalingParameters, d_min: float
) -> ScalingModel:
    """Return the model of these experiments, without absorption; d_min : of the observations."""
    if parameters.model == "array":
        return _array_model(experiments, parameters, d_min)
    options = parameters.physical
    pairs = [_smoothers(e, parameters) for e in experiments]
    scale = SmoothComponent(
        name="scale",
        smoothers=tuple(p[0] for p in pairs),
        weight=options.scale_restraint,
        is_level=True,
    )
    more: list[Component] = []
    if options.image_scales:
        more.append(image_component(experiments, options.image_scale_restraint))
    if _has_response(parameters):
        more.append(response_component(experiments, parameters.KB, options.scale_restraint))
    if parameters.model == "dose_decay":
        by_dose = _dose_components(experiments, parameters) if options.decay_correction else []
        return ScalingModel(n_experiments=len(experiments), components=(scale, *by_dose, *more))
    decay = SmoothComponent(
        name="decay",
        smoothers=tuple(p[1] for p in pairs),
        weight=options.decay_restraint,
        is_level=False,
    )
    with_decay = options.decay_correction
    if parameters.model == "KB":
        with_decay &= parameters.KB.decay_correction
    smooth = (scale, decay) if with_decay else (scale,)
    return ScalingModel(n_experiments=len(experiments), components=(*smooth, *more))


def _dose_components(
    experiments: ExperimentList, parameters: ScalingParameters
) -> list[DoseComponent]:
    options, weight = parameters.dose_decay, parameters.physical.decay_restraint
    found, dose_unit = doses(experiments, options.starting_dose)
    components = [
        DoseComponent(
            name="dose_decay",
            group=groups_of(experiments, by_crystal=options.share.decay),
            doses=tuple(found),
            unit=max(float(np.abs(d.dose).max()) for d in found),
            dose_unit=dose_unit,
            weight=weight,
            linear=options.resolution_dependence == "linear",
        )
    ]
    if options.relative_B_correction != "none":
        by_crystal = options.relative_B_correction == "crystal"
        components.append(
            DoseComponent(
                name="relative_B",
                group=groups_of(experiments, by_crystal=by_crystal),
                doses=None,
                unit=1.0,
                weight=weight,
            )
        )
    return components


def _array_model(
    experiments: ExperimentList, parameters: ScalingParameters, d_min: float
) -> ScalingModel:
    options = parameters.array
    weight = parameters.physical.scale_restraint
    sweeps, areas = [], []
    for e in experiments:
        start, stop = (0.0, 1.0) if e.scan is None else map(float, e.scan.array_range)
        n = max(int(_degrees(e) / options.decay_interval + 0.5), 1) + 1
        sweeps.append((start, stop, n))
        areas.append(detector_area(e.detector))
    n_s2 = options.n_resolution_bins if options.decay_correction else 1
    s2: Axis = (0.0, d_min**-2.0, n_s2)
    own = range(len(experiments))
    components: list[Component] = [
        GridComponent(
            name="scale",
            axes=("s2", "z"),
            grids=tuple((s2, z) for z in sweeps),
            of=own,
            weight=weight,
            is_level=True,
        )
    ]
    for name, n, wanted in (
        ("absorption", options.n_absorption_bins, options.absorption_correction),
        ("modulation", options.n_modulation_bins, options.modulation_correction),
    ):
        if not wanted:
            continue
        grids = [((0.0, float(w), n), (0.0, float(h), n)) for w, h in areas]
        timed = name == "absorption"
        components.append(
            GridComponent(
                name=name,
                axes=("x", "y", "z") if timed else ("x", "y"),
                grids=tuple((*g, z) if timed else g for g, z in zip(grids, sweeps, strict=True)),
                of=own,
                weight=weight,
                is_level=False,
            )
        )
    return ScalingModel(n_experiments=len(experiments), components=tuple(components))
