"""The free parameters: of each crystal, and those of models that crystals share.

A sparse map takes the local parameters of a reflection (see
`dxdask.refinement.least_squares.local`) to the free ones: the models of its experiment, and the
parts of the detector that its panel belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.models import ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.refinement.geometry import first_panels
from dxdask.refinement.least_squares.local import BEAM, N_CRYSTAL, N_MODELS, N_MOVES, SETTING
from dxdask.refinement.models.beams import (
    LEAST_HELD,
    BeamTable,
    first_points,
    mean_weights,
    weights_of,
)
from dxdask.refinement.models.detector_parts import DetectorPart

Kind = Literal["beam", "goniometer", "detector"]
BEAM_NAMES = ("Mu1", "Mu2", "nu")
SETTING_NAMES = ("Gamma1", "Gamma2")
MOVE_NAMES = ("Shift1", "Shift2", "Dist", "Tau2", "Tau3", "Tau1")
"""DIALS's names of the moves of a part: shifts along fast, slow, normal; rotations about them."""

LOOSE = 0.01
"""Standard deviation, rad, of the difference of neighbouring points of a beam: far weaker than a
few reflections, so that only points without any are held by it."""


class FreeParameters(NamedTuple):
    """Free parameters of one shared model, or of one part of a detector.

    Attributes
    ----------
    kind, model : index of the model in the experiments' tuple of its kind.
    which : indices of the free parameters among those of BEAM_NAMES, SETTING_NAMES or MOVE_NAMES.
    part, moves : of a detector: the part, and the moves (panels, 6, 6) of panels by its six.
    sigma : expected size of each, a restraint; empty for none.
    smoother : of a beam that varies along its scan: each parameter has a value at each point.
    held : of these, the ones whose mean along the scan stays as it is.
    """

    kind: Kind
    model: int
    which: tuple[int, ...]
    part: DetectorPart | None = None
    moves: Floats | None = None
    sigma: tuple[float, ...] = ()
    smoother: Smoother | None = None
    held: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of free parameters."""
        return len(self.which) * (1 if self.smoother is None else self.smoother.n_points)

    @property
    def names(self) -> tuple[str, ...]:
        """Names as DIALS gives them: "Detector1Dist"; with the part, where it is not the whole."""
        names = {"beam": BEAM_NAMES, "goniometer": SETTING_NAMES, "detector": MOVE_NAMES}[self.kind]
        part = "" if self.part is None or self.part.level == 0 else f"({self.part.name})"
        points = [""]
        if self.smoother is not None:
            points = [f"_sample{i}" for i in range(self.smoother.n_points)]
        return tuple(
            f"{self.kind.capitalize()}{self.model + 1}{part}{names[i]}{point}"
            for point in points
            for i in self.which
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """All free parameters.

    Attributes
    ----------
    shared : models that have any, in order of their columns.
    crystal_free : for each crystal, its free local parameters.
    model_columns : (e, 5) column of each parameter of beam and setting, -1 where fixed.
    first_part : (p + 1,) of each panel in part_columns (z,) and moves (z, 6), the columns of the
    parts that move it, and its moves by them.
    restraints : (m, m) normal matrix of the restraints of the sum of the steps, 0 for none.
    beams : smoothers of the beams that vary along their scans.
    """

    shared: tuple[FreeParameters, ...]
    crystal_free: tuple[tuple[int, ...], ...]
    model_columns: Integers
    first_part: Integers
    part_columns: Integers
    moves: Floats
    restraints: Floats
    beams: BeamTable

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the shared parameters."""
        return tuple(name for p in self.shared for name in p.names)

    @property
    def n_shared(self) -> int:
        """Number of shared parameters."""
        return sum(p.size for p in self.shared)

    def names_of(self, crystal: int, n_points: int = 1) -> tuple[str, ...]:
        """Return the names of the parameters of a crystal."""
        names = [f"Phi{i + 1}" if i < 3 else f"strain_{i - 3}" for i in self.crystal_free[crystal]]
        points = [""] if n_points == 1 else [f"_sample{i}" for i in range(n_points)]
        return tuple(f"Crystal{crystal + 1}{name}{point}" for point in points for name in names)

    def parameters_of(self, step: Floats) -> list[tuple[FreeParameters, Floats]]:
        """Return the parts of a step (m,) that belong to each model."""
        ends = np.cumsum([p.size for p in self.shared])
        pairs = zip(self.shared, ends, strict=True)
        return [(p, step[end - p.size : end]) for p, end in pairs]


def layout(
    experiments: ExperimentList,
    shared: Sequence[FreeParameters],
    crystal_free: Sequence[tuple[int, ...]],
) -> Layout:
    """Return the layout of parameters; models without free ones are left out."""
    used = tuple(p for p in shared if p.which)
    columns = np.full((len(experiments), N_MODELS - N_CRYSTAL), -1, dtype=np.int64)
    n_panels = sum(len(d) for d in experiments.detectors)
    firsts = first_panels(experiments)
    by_panel: list[list[tuple[int, Floats]]] = [[] for _ in range(n_panels)]
    column, places = 0, []
    for p in used:
        places.append(column)
        if p.moves is None and p.smoother is None:
            base = (BEAM if p.kind == "beam" else SETTING) - N_CRYSTAL
            members = [
                i for i, m in enumerate(experiments.members) if getattr(m, p.kind) == p.model
            ]
            for i, which in enumerate(p.which):
                columns[members, base + which] = column + i
        elif p.moves is not None:
            moved = np.count_nonzero(p.moves, axis=1) > 0
            for panel in np.flatnonzero(moved.any(axis=1)):
                by_panel[firsts[p.model] + panel] += [
                    (column + i, p.moves[panel, :, which])
                    for i, which in enumerate(p.which)
                    if moved[panel, which]
                ]
        column += p.size
    flat = [entry for entries in by_panel for entry in entries]
    return Layout(
        shared=used,
        crystal_free=tuple(crystal_free),
        model_columns=columns,
        first_part=np.cumsum([0, *(len(entries) for entries in by_panel)]).astype(np.int64),
        part_columns=np.array([c for c, _ in flat], dtype=np.int64),
        moves=np.array([m for _, m in flat], dtype=np.float64).reshape(-1, N_MOVES),
        restraints=_restraints(used, places, column),
        beams=_beams(experiments, used, places),
    )


def _restraints(used: Sequence[FreeParameters], places: Sequence[int], n: int) -> Floats:
    """Return the normal matrix (n, n) of the restraints of parameters."""
    out = np.zeros((n, n))
    for p, first in zip(used, places, strict=True):
        own = slice(first, first + p.size)
        if p.sigma:
            out[own, own] += np.diag(np.array(p.sigma) ** -2.0)
        if p.smoother is None:
            continue
        points, k = p.smoother.n_points, len(p.which)
        difference, mean = np.diff(np.eye(points), axis=0), mean_weights(p.smoother)
        held = np.isin(p.which, p.held) / LEAST_HELD**2
        out[own, own] += np.kron(difference.T @ difference, np.eye(k) / LOOSE**2)
        out[own, own] += np.kron(np.outer(mean, mean), np.diag(held))
    return out


def _beams(
    experiments: ExperimentList, used: Sequence[FreeParameters], places: Sequence[int]
) -> BeamTable:
    """Return the smoothers of beams; those of all that vary have the same parameters."""
    varying = {
        p.model: (p, first) for p, first in zip(used, places, strict=True) if p.smoother is not None
    }
    base = np.array([varying[m.beam][1] if m.beam in varying else -1 for m in experiments.members])
    nearest, shares = [], []
    for k, beam in enumerate(experiments.beams):
        start = next(
            (
                float(e.scan.array_range[0])
                for m, e in zip(experiments.members, experiments, strict=True)
                if m.beam == k and e.scan is not None
            ),
            0.0,
        )
        smoother = varying[k][0].smoother if k in varying else None
        index, weight = weights_of(beam, smoother, start)
        nearest.append(index)
        shares.append(weight)
    which = next((p.which for p, _ in varying.values()), ())
    return BeamTable(
        first=first_points(experiments.beams),
        nearest=np.concatenate(nearest),
        shares=np.concatenate(shares),
        base=base.astype(np.int64),
        free=np.array(which, dtype=np.int64) + BEAM,
    )
