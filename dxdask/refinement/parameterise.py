"""Free parameters of sweeps, as the parameters of the step ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.models import ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.refinement.least_squares.local import STRAIN
from dxdask.refinement.models.crystals import Crystals, symmetric_points
from dxdask.refinement.models.detector_freedom import MOVES, by_gauge
from dxdask.refinement.models.layout import FreeParameters, Layout, layout
from dxdask.refinement.parameters import Parameterisation

BEAM_FIX = ("in_spindle_plane", "out_spindle_plane", "wavelength")
DIRECTION = (0, 1)
"""Of the beam's parameters, those of its direction."""
GONIOMETER_FIX = ("in_beam_plane", "out_beam_plane")
FREE_MOVES = {
    None: (0, 1, 2, 3, 4, 5),
    "all": (),
    "position": (3, 4, 5),
    "orientation": (0, 1, 2),
    "distance": (0, 1, 5),
}
"""Free moves of a detector (see `MOVE_NAMES`) by what is fixed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreeModels:
    """The free parameters of an experiment list.

    Attributes
    ----------
    experiments : the models at the start. crystals : theirs, as arrays.
    shared : free parameters of beams, goniometers and detectors.
    crystal_free : free local parameters of each crystal.
    """

    experiments: ExperimentList
    crystals: Crystals
    shared: tuple[FreeParameters, ...]
    crystal_free: tuple[tuple[int, ...], ...]

    @property
    def layout(self) -> Layout:
        """The layout of the parameters."""
        return layout(self.experiments, self.shared, self.crystal_free)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        own = sum(
            len(free) * int(n)
            for free, n in zip(self.crystal_free, self.crystals.n_points, strict=True)
        )
        return own + sum(p.size for p in self.shared)


def free_models(
    experiments: ExperimentList,
    parameters: Parameterisation,
    smoothers: Mapping[int, Smoother] | None = None,
    beam_smoothers: Mapping[int, Smoother] | None = None,
) -> FreeModels:
    """Return the free parameters of experiments.

    Models that only experiments without a crystal have are fixed.

    smoothers : of the crystals that vary along their scan, by index; they start from their scan
    points where they have any. beam_smoothers : of beams that vary, which have scan points; their
    fixed parameters keep their mean along the scan.

    Raises
    ------
    InputError
        An experiment is a still, or none has a crystal.
    """
    require_crystals(experiments)
    members = [m for m in experiments.members if m.crystal is not None]
    beam = tuple(
        i
        for i, name in enumerate(BEAM_FIX)
        if "all" not in parameters.beam.fix and name not in parameters.beam.fix
    )
    setting = tuple(
        i
        for i, name in enumerate(GONIOMETER_FIX)
        if "all" not in parameters.goniometer.fix and name not in parameters.goniometer.fix
    )
    shared = []
    for k in sorted({m.beam for m in members}):
        smoother = (beam_smoothers or {}).get(k)
        if smoother is None:
            shared.append(FreeParameters("beam", k, beam))
            continue
        held = tuple(i for i in DIRECTION if i not in beam)
        shared.append(FreeParameters("beam", k, DIRECTION, smoother=smoother, held=held))
        shared.append(FreeParameters("beam", k, tuple(i for i in beam if i not in DIRECTION)))
    of_members = {m.goniometer for m in members if m.goniometer is not None}
    shared += [FreeParameters("goniometer", k, setting) for k in sorted(of_members)]
    freedom = parameters.detector
    for k in sorted({m.detector for m in members}):
        shared += by_gauge(
            k, experiments.detectors[k], FREE_MOVES[freedom.fix], freedom.parts,
            freedom.hierarchy_level,
        )  # fmt: skip
    if smoothers and parameters.fix_gauge:
        shared = [_without_gauge(p) for p in shared]
    crystals = crystal_arrays(experiments, smoothers or {})
    fix = parameters.crystal.fix
    rotations = () if fix in ("all", "orientation") else range(STRAIN)
    return FreeModels(
        experiments=experiments,
        crystals=crystals,
        shared=tuple(shared),
        crystal_free=tuple(
            (*rotations, *(() if fix in ("all", "cell") else range(STRAIN, STRAIN + n)))
            for n in crystals.n_strains[crystals.form].tolist()
        ),
    )


def _without_gauge(parameters: FreeParameters) -> FreeParameters:
    """Return the free parameters without those that a varying crystal can compensate.

    Beam and detector rotated by G, and the crystal at each angle by R(-phi) G R(phi), predict the
    same. Of G the rotation about the spindle is a change of phi; the others move the beam or rotate
    the detector about it.
    """
    held: tuple[int, ...] = ()
    if parameters.smoother is not None:
        return parameters._replace(held=DIRECTION)
    if parameters.kind == "beam":
        held = DIRECTION
    elif parameters.part is not None and parameters.part.level == 0:
        held = MOVES["rotation"]
    return parameters._replace(which=tuple(i for i in parameters.which if i not in held))


def require_crystals(experiments: ExperimentList) -> None:
    """Check that experiments rotate, and that one has a crystal.

    Raises
    ------
    InputError
        An experiment is a still, or none has a crystal.
    """
    for e in experiments:
        require_rotation(e)
    if experiments.members and all(m.crystal is None for m in experiments.members):
        require_crystal(experiments[0])


def crystal_arrays(experiments: ExperimentList, smoothers: Mapping[int, Smoother]) -> Crystals:
    """Return the crystals of experiments as arrays, made to obey their space groups."""
    tables, cells, starts = [], [], []
    groups = [c.gemmi_space_group for c in experiments.crystals]
    for k, crystal in enumerate(experiments.crystals):
        points, start = crystal.a[None], 0.0
        if k in smoothers:
            first, last = next(
                e.scan.array_range
                for m, e in zip(experiments.members, experiments, strict=True)
                if m.crystal == k and e.scan is not None
            )
            given = crystal.scan_points
            points = (
                np.asarray(given)
                if given is not None
                else np.broadcast_to(crystal.a, (last - first + 1, 3, 3))
            )
            start = float(first)
        table, cell = symmetric_points(points, crystal.unit_cell, groups[k])
        tables.append(table)
        cells.append(cell)
        starts.append(start)
    return Crystals.of(
        tables, cells, groups, [smoothers.get(k) for k in range(len(tables))], starts
    )


def with_fixed(models: FreeModels, fixed: FreeParameters) -> FreeModels:
    """Return the models without the free parameters of one of the shared ones."""
    return replace(models, shared=tuple(p for p in models.shared if p is not fixed))
