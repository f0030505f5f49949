"""All parameters of an experiment list as one vector, and the models at its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.geometry.required import require_crystal
from dxdask.models import ExperimentList
from dxdask.models.vectors import matrix
from dxdask.refinement import cell
from dxdask.refinement.geometry import goniometer_frames
from dxdask.refinement.model_parameterisations import (
    BeamParameterisation,
    CrystalOrientationParameterisation,
    CrystalUnitCellParameterisation,
    DetectorParameterisation,
)
from dxdask.refinement.normal import FIRST_BEAM, FIRST_DETECTOR, N_LOCAL, State
from dxdask.refinement.parameters import Parameterisation

ModelParameterisation: TypeAlias = (
    CrystalOrientationParameterisation
    | CrystalUnitCellParameterisation
    | BeamParameterisation
    | DetectorParameterisation
)
_WithFixed: TypeAlias = tuple[str, int, ModelParameterisation, Iterable[int]]

FIXED_OF_DETECTOR = {
    None: (),
    "all": range(6),
    "position": (0, 1, 2),
    "orientation": (3, 4, 5),
    "distance": (0, 4, 5),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterSlice:
    """The parameterisation of one model and its slice of the vector of all parameters.

    Attributes
    ----------
    kind : "orientation", "cell", "beam" or "detector".
    model : index of the model in the list's tuple of its kind.
    parameterisation : of that model.
    first : index of its first parameter in the vector, fixed ones counted.
    free : (k,) bool, the parameters that are refined.
    """

    kind: str
    model: int
    parameterisation: ModelParameterisation
    first: int
    free: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        """Names as DIALS gives them: "Detector1Dist", "Crystal1g_star_0"."""
        of = "Crystal" if self.kind in ("orientation", "cell") else self.kind.capitalize()
        return tuple(f"{of}{self.model + 1}{name}" for name in self.parameterisation.names)

    @property
    def values(self) -> slice:
        """Slice of the vector of all parameters."""
        return slice(self.first, self.first + len(self.free))


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionParameterisation:
    """The parameters of an experiment list; a model that experiments share has one slice of them.

    Attributes
    ----------
    experiments : the models at the start.
    slices : in the order beams, orientations, cells, detectors.
    start : values (m,) of all parameters at the start, fixed ones too.
    free : (m,) bool, those that are refined.
    """

    experiments: ExperimentList
    slices: tuple[ParameterSlice, ...]
    start: Floats
    free: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that are refined."""
        every = [name for b in self.slices for name in b.names]
        return tuple(name for name, is_free in zip(every, self.free, strict=True) if is_free)

    def slice_of(self, kind: str, model: int) -> ParameterSlice:
        """Return the slice of one model."""
        return next(b for b in self.slices if b.kind == kind and b.model == model)

    def members_of(self, part: ParameterSlice) -> list[int]:
        """Return the indices of the experiments that have the model of a slice."""
        kind = "crystal" if part.kind in ("orientation", "cell") else part.kind
        members = self.experiments.members
        return [i for i, m in enumerate(members) if getattr(m, kind) == part.model]

    def every(self, refined: Floats) -> Floats:
        """Return the values (m,) of all parameters for those (k,) of the refined ones."""
        out = self.start.copy()
        out[self.free] = refined
        return out

    def state(self, refined: Floats) -> State:
        """Return the models, and their derivatives, as arrays.

        Raises
        ------
        ConvergenceError
            No cell has these values.
        """
        values = self.every(refined)
        done = {(b.kind, b.model): self._compose(b, values[b.values]) for b in self.slices}
        frames, m2 = goniometer_frames(self.experiments)
        n = len(self.experiments)
        settings, d_settings = np.full((n, 3, 3), np.nan), np.zeros((n, FIRST_BEAM, 3, 3))
        s0, d_s0 = np.full((n, 3), np.nan), np.zeros((n, 3, 3))
        for i, m in enumerate(self.experiments.members):
            if m.crystal is None:
                continue
            u, d_u = done["orientation", m.crystal]
            b, d_b = done["cell", m.crystal]
            settings[i] = frames[i] @ u @ b
            d_settings[i, :3] = frames[i] @ d_u @ b
            d_settings[i, 3 : 3 + len(d_b)] = frames[i] @ u @ d_b
            s0[i], d_s0[i] = done["beam", m.beam]
        panels = [done["detector", k] for k in range(len(self.experiments.detectors))]
        d = np.concatenate([p[0] for p in panels])
        return State(
            settings=settings,
            d_settings=d_settings,
            s0=s0,
            d_s0=d_s0,
            m2=m2,
            inverse_d=np.linalg.inv(d),
            d_panels=np.ascontiguousarray(np.concatenate([p[1].swapaxes(0, 1) for p in panels])),
            columns=self.columns(),
        )

    @staticmethod
    def _compose(part: ParameterSlice, values: Floats) -> tuple[Floats, Floats]:
        try:
            return part.parameterisation.compose(values)
        except np.linalg.LinAlgError:
            raise ConvergenceError(
                f"the cell of crystal {part.model + 1} is impossible (G* is not positive); "
                "start from a better model or set parameterisation.crystal.fix=cell"
            ) from None

    def columns(self) -> NDArray[np.int64]:
        """Return the index (e, `N_LOCAL`) of each parameter among the refined ones, -1 if fixed."""
        place = np.where(self.free, np.cumsum(self.free) - 1, -1)
        at = {"orientation": 0, "cell": 3, "beam": FIRST_BEAM, "detector": FIRST_DETECTOR}
        out = np.full((len(self.experiments), N_LOCAL), -1, dtype=np.int64)
        for b in self.slices:
            out[self.members_of(b), at[b.kind] : at[b.kind] + len(b.free)] = place[b.values]
        return out

    def models(self, refined: Floats, covariance: Floats | None = None) -> ExperimentList:
        """Return the experiments at these values; their `covariance` (k, k) gives the cells' su."""
        values, new = self.every(refined), self.experiments
        beams, crystals, detectors = list(new.beams), list(new.crystals), list(new.detectors)
        for part in self.slices:
            model, own = part.parameterisation, values[part.values]
            if isinstance(model, BeamParameterisation):
                beams[part.model] = model.model(own)
            elif isinstance(model, DetectorParameterisation):
                detectors[part.model] = model.model(own)
            elif isinstance(model, CrystalUnitCellParameterisation):
                orientation = self.slice_of("orientation", part.model)
                u, _ = orientation.parameterisation.compose(values[orientation.values])
                crystals[part.model] = replace(
                    crystals[part.model],
                    a_matrix=matrix(u @ model.compose(own)[0]),
                    scan_points=None,
                    cell_su=self._cell_su(part, model, own, covariance),
                )
        return replace(
            new, beams=tuple(beams), crystals=tuple(crystals), detectors=tuple(detectors)
        )

    def _cell_su(
        self,
        part: ParameterSlice,
        model: CrystalUnitCellParameterisation,
        values: Floats,
        covariance: Floats | None,
    ) -> tuple[float, ...] | None:
        if covariance is None or not part.free.any():
            return None
        place = (np.cumsum(self.free) - 1)[part.values][part.free]
        slopes = cell.cell_derivatives(values, model.basis)[:, part.free]
        variances = np.einsum("ij,jk,ik->i", slopes, covariance[np.ix_(place, place)], slopes)
        return tuple(float(v) for v in np.sqrt(np.maximum(variances, 0.0)))


def parameterise(
    experiments: ExperimentList, parameters: Parameterisation
) -> PredictionParameterisation:
    """Return the parameterisation of experiments, with the parameters fixed that are to be.

    Models that only experiments without a crystal have are not parameterised.

    Raises
    ------
    InputError
        An experiment is a still, or none has a crystal.
    """
    _, m2 = goniometer_frames(experiments)
    first: dict[str, dict[int, int]] = {"beam": {}, "crystal": {}, "detector": {}}
    for i, m in enumerate(experiments.members):
        if m.crystal is None:
            continue
        for kind, seen in first.items():
            seen.setdefault(getattr(m, kind), i)
    if experiments.members and not first["crystal"]:
        require_crystal(experiments[0])
    fixed = _fixed_of_beam(parameters)
    models: list[_WithFixed] = [
        ("beam", k, BeamParameterisation.of(experiments.beams[k], m2[i]), fixed)
        for k, i in sorted(first["beam"].items())
    ]
    for k in sorted(first["crystal"]):
        models += _crystal_parameterisations(experiments, k, parameters)
    for k, detector in enumerate(experiments.detectors):
        fix = parameters.detector.fix if k in first["detector"] else "all"
        models.append(
            ("detector", k, DetectorParameterisation.of(detector), FIXED_OF_DETECTOR[fix])
        )
    return _with_slices(experiments, models)


def _crystal_parameterisations(
    experiments: ExperimentList, index: int, parameters: Parameterisation
) -> list[_WithFixed]:
    crystal, fix = experiments.crystals[index], parameters.crystal.fix
    orientation = CrystalOrientationParameterisation.of(crystal)
    lattice = CrystalUnitCellParameterisation.of(crystal)
    return [
        ("orientation", index, orientation, range(3) if fix in ("all", "orientation") else ()),
        ("cell", index, lattice, range(len(lattice.start)) if fix in ("all", "cell") else ()),
    ]


def _fixed_of_beam(parameters: Parameterisation) -> list[int]:
    fix = parameters.beam.fix
    if "all" in fix:
        return [0, 1, 2]
    return [
        i for i, n in enumerate(("in_spindle_plane", "out_spindle_plane", "wavelength")) if n in fix
    ]


def _with_slices(
    experiments: ExperimentList, models: list[_WithFixed]
) -> PredictionParameterisation:
    out, first = [], 0
    for kind, index, model, fixed in models:
        free = np.ones(len(model.start), dtype=bool)
        free[list(fixed)] = False
        part = ParameterSlice(
            kind=kind, model=index, parameterisation=model, first=first, free=free
        )
        out.append(part)
        first += len(free)
    return PredictionParameterisation(
        experiments=experiments,
        slices=tuple(out),
        start=np.concatenate([part.parameterisation.start for part in out]),
        free=np.concatenate([part.free for part in out]),
    )


def with_fixed(
    parameterisation: PredictionParameterisation, fixed: Iterable[ParameterSlice]
) -> PredictionParameterisation:
    """Return the parameterisation with these slices fixed at their start."""
    free = parameterisation.free.copy()
    chosen = {(part.kind, part.model) for part in fixed}
    slices = []
    for part in parameterisation.slices:
        if (part.kind, part.model) in chosen:
            free[part.values] = False
            part = replace(part, free=np.zeros_like(part.free))
        slices.append(part)
    return replace(parameterisation, slices=tuple(slices), free=free)
