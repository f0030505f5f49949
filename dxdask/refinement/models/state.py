"""All models at one point of a refinement, and after a step from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.models import ExperimentList, Goniometer
from dxdask.models.vectors import matrix, rotation_matrix, unit
from dxdask.refinement.geometry import goniometer_frames
from dxdask.refinement.least_squares.equations import Step
from dxdask.refinement.least_squares.local import N_MOVES
from dxdask.refinement.models.beams import beam_after, points_of_beam, varying_beam_after
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.detector_parts import DetectorPart, moved
from dxdask.refinement.models.layout import FreeParameters, Layout


class Arrays(NamedTuple):
    """Models other than crystals, as arrays for kernels: e experiments, p panels of all detectors.

    Attributes
    ----------
    frames, m2 : (e, 3, 3) S F before A, and (e, 3) rotation axes; unity and x for stills.
    s0, beam : (e, 3), 1/A, and unit vectors along it.
    beam_axes, setting_axes : (e, 2, 3) about which beam and setting are rotated.
    inverse_d, normals, centres : (p, 3, 3) D, (p, 3) D times the normal, (p, 2) centres, mm.
    """

    frames: Floats
    m2: Floats
    s0: Floats
    beam: Floats
    beam_axes: Floats
    setting_axes: Floats
    inverse_d: Floats
    normals: Floats
    centres: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelState:
    """Models during refinement.

    Attributes
    ----------
    experiments : beams, goniometers, scans and detectors as they are now; crystals as at the start.
    crystals : as they are now.
    shared : (m,) sum of the steps of the shared parameters so far.
    beam_axes, setting_axes : (b, 2, 3) of each beam, and (g, 2, 3) of each goniometer.
    """

    experiments: ExperimentList
    crystals: Crystals
    shared: Floats
    beam_axes: Floats
    setting_axes: Floats
    arrays: Arrays = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", self._arrays())

    def _arrays(self) -> Arrays:
        members, models = self.experiments.members, self.experiments
        n = len(members)
        still = [m.goniometer is None for m in members]
        frames, m2 = np.tile(np.eye(3), (n, 1, 1)), np.tile([1.0, 0.0, 0.0], (n, 1))
        if not any(still):
            frames, m2 = goniometer_frames(models)
        beams = [m.beam for m in members]
        s0 = np.array([b.s0 for b in models.beams])[beams]
        setting_axes = np.zeros((n, 2, 3))
        for i, m in enumerate(members):
            if m.goniometer is not None:
                setting_axes[i] = self.setting_axes[m.goniometer]
        panels = [p for d in models.detectors for p in d.panels]
        d_rows = np.array([(p.fast_axis, p.slow_axis, p.origin) for p in panels])
        inverse_d = np.linalg.inv(d_rows.transpose(0, 2, 1))
        normals = np.cross(d_rows[:, 0], d_rows[:, 1])
        return Arrays(
            frames=frames,
            m2=m2,
            s0=s0,
            beam=s0 / np.linalg.norm(s0, axis=1, keepdims=True),
            beam_axes=self.beam_axes[beams],
            setting_axes=setting_axes,
            inverse_d=inverse_d,
            normals=np.einsum("pij,pj->pi", inverse_d, normals),
            centres=np.array([np.multiply(p.image_size, p.pixel_size) / 2 for p in panels]),
        )

    def s0_of(self, point: Integers, part: Floats) -> Floats:
        """Return s0 (n, 3), 1/A, of rows: see `Rows.beam_point`."""
        table = np.concatenate([points_of_beam(b) for b in self.experiments.beams])
        after = table[np.minimum(point + 1, len(table) - 1)]
        return np.asarray(table[point] + part[:, None] * (after - table[point]))

    def after(self, layout: Layout, step: Step, blocks: Sequence[tuple[int, int]]) -> ModelState:
        """Return the models after a step.

        blocks : first crystal and number of crystals of each block of the step.
        """
        beams, goniometers = list(self.experiments.beams), list(self.experiments.goniometers)
        moves: dict[int, list[tuple[DetectorPart, Floats]]] = {}
        for p, own in layout.parameters_of(step.shared):
            if p.kind == "beam":
                beam, axes = beams[p.model], self.beam_axes[p.model]
                if p.smoother is None:
                    beams[p.model] = beam_after(beam, axes, p.which, own)
                else:
                    at = slice(*layout.beams.first[p.model : p.model + 2])
                    beams[p.model] = varying_beam_after(
                        beam, axes, p.which, own.reshape(-1, len(p.which)),
                        layout.beams.nearest[at], layout.beams.shares[at],
                    )  # fmt: skip
            elif p.kind == "goniometer":
                axes = self.setting_axes[p.model]
                goniometers[p.model] = _goniometer_after(goniometers[p.model], axes, p, own)
            elif p.part is not None:
                move = np.zeros(N_MOVES)
                move[list(p.which)] = own
                moves.setdefault(p.model, []).append((p.part, move))
        detectors = tuple(
            moved(d, moves[k]) if k in moves else d
            for k, d in enumerate(self.experiments.detectors)
        )
        crystals = self.crystals
        for (first, n), own in zip(blocks, step.crystals, strict=True):
            free = np.array(layout.crystal_free[first], dtype=np.int64)
            if len(free):
                crystals = crystals.moved(first, own.reshape(n, -1, len(free)), free)
        return replace(
            self,
            experiments=replace(
                self.experiments,
                beams=tuple(beams),
                goniometers=tuple(goniometers),
                detectors=detectors,
            ),
            crystals=crystals,
            shared=self.shared + step.shared,
        )

    @classmethod
    def of(cls, experiments: ExperimentList, crystals: Crystals, layout: Layout) -> ModelState:
        """Return the models at the start of a refinement."""
        return cls(
            experiments=experiments,
            crystals=crystals,
            shared=np.zeros(layout.n_shared),
            beam_axes=_beam_axes(experiments),
            setting_axes=_setting_axes(experiments),
        )


def _beam_axes(experiments: ExperimentList) -> Floats:
    """Return the axes (b, 2, 3): across the beam in the spindle-beam plane, and its normal."""
    out = np.zeros((len(experiments.beams), 2, 3))
    for k, beam in enumerate(experiments.beams):
        axes = [
            experiments.goniometers[m.goniometer].rotation_axis
            for m in experiments.members
            if m.beam == k and m.goniometer is not None
        ]
        out[k] = _across(beam.s0, axes[0] if axes else None)
    return out


def _across(along: Floats, other: Floats | None) -> Floats:
    """Return two axes (2, 3) across a vector, the second the normal of its plane with another."""
    normal = np.zeros(3) if other is None else np.cross(unit(along), unit(other))
    if np.linalg.norm(normal) < 1e-6:
        normal = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    second = unit(normal)
    return np.array([unit(np.cross(second, along)), second])


def _setting_axes(experiments: ExperimentList) -> Floats:
    """Return the axes (g, 2, 3): the normal of the spindle-beam plane, and across the spindle."""
    out = np.zeros((len(experiments.goniometers), 2, 3))
    for k, goniometer in enumerate(experiments.goniometers):
        beams = [m.beam for m in experiments.members if m.goniometer == k]
        along = experiments.beams[beams[0]].s0 if beams else None
        out[k] = _across(goniometer.rotation_axis, along)[::-1]
    return out


def _goniometer_after(
    goniometer: Goniometer, axes: Floats, p: FreeParameters, step: Floats
) -> Goniometer:
    full = np.zeros(2)
    full[list(p.which)] = step
    rotation = rotation_matrix(axes[1], full[1]) @ rotation_matrix(axes[0], full[0])
    return replace(goniometer, setting=matrix(rotation @ np.asarray(goniometer.setting)))
