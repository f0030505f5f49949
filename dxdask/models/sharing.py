"""Models that experiments share because they are equal."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from dxdask.models.beam import Beam
from dxdask.models.detector import Detector
from dxdask.models.experiment import ExperimentList
from dxdask.models.goniometer import Goniometer

DIGITS = 9
"""Decimal places to which the numbers of equal models agree: mm, Angstrom, unit vectors."""


def share_equal(
    experiments: ExperimentList,
    *,
    beam: bool = True,
    detector: bool = True,
    goniometer: bool = True,
) -> ExperimentList:
    """Return the experiments with equal beams, detectors and goniometers shared.

    Beams are equal by direction, scan points and wavelength, detectors by their panels' places and
    pixels, goniometers by their axes, angles and scanned axis. Other values of a shared model are
    those of the first run; see `with_geometry_of`.

    beam, detector, goniometer : whether to share each; else every experiment has one of its own.
    """
    members = list(experiments.members)
    beams, to_beam = _pooled([_beam_key(b) for b in experiments.beams])
    detectors, to_detector = _pooled([_detector_key(d) for d in experiments.detectors])
    goniometers, to_goniometer = _pooled([_goniometer_key(g) for g in experiments.goniometers])
    new = experiments
    if beam:
        members = [replace(m, beam=to_beam[m.beam]) for m in members]
        new = replace(new, beams=tuple(experiments.beams[i] for i in beams))
    else:
        new = replace(new, beams=tuple(experiments.beams[m.beam] for m in members))
        members = [replace(m, beam=i) for i, m in enumerate(members)]
    if detector:
        members = [replace(m, detector=to_detector[m.detector]) for m in members]
        new = replace(new, detectors=tuple(experiments.detectors[i] for i in detectors))
    else:
        new = replace(new, detectors=tuple(experiments.detectors[m.detector] for m in members))
        members = [replace(m, detector=i) for i, m in enumerate(members)]
    has = [m.goniometer for m in members if m.goniometer is not None]
    if goniometer:
        members = [
            m if m.goniometer is None else replace(m, goniometer=to_goniometer[m.goniometer])
            for m in members
        ]
        new = replace(new, goniometers=tuple(experiments.goniometers[i] for i in goniometers))
    else:
        new = replace(new, goniometers=tuple(experiments.goniometers[g] for g in has))
        place = iter(range(len(has)))
        members = [
            m if m.goniometer is None else replace(m, goniometer=next(place)) for m in members
        ]
    return replace(new, members=tuple(members))


def with_geometry_of(refined: ExperimentList, experiments: ExperimentList) -> ExperimentList:
    """Return refined experiments with the other values of their own models.

    refined : experiments whose equal models were shared (`share_equal`) and changed. experiments :
    before, in the same order: transmission, trusted ranges, gains, scanned angles are theirs.
    """
    beams, detectors = dict[Beam, int](), dict[Detector, int]()
    goniometers, members = dict[Goniometer, int](), []
    for m, new in zip(experiments.members, refined.members, strict=True):
        beam = _beam_at(experiments.beams[m.beam], refined.beams[new.beam])
        detector = _detector_at(experiments.detectors[m.detector], refined.detectors[new.detector])
        goniometer = None
        if m.goniometer is not None and new.goniometer is not None:
            setting = refined.goniometers[new.goniometer].setting
            own = replace(experiments.goniometers[m.goniometer], setting=setting)
            goniometer = goniometers.setdefault(own, len(goniometers))
        members.append(
            replace(
                new,
                beam=beams.setdefault(beam, len(beams)),
                detector=detectors.setdefault(detector, len(detectors)),
                goniometer=goniometer,
            )
        )
    return replace(
        refined, beams=tuple(beams), detectors=tuple(detectors), goniometers=tuple(goniometers),
        members=tuple(members),
    )  # fmt: skip


def _beam_at(beam: Beam, refined: Beam) -> Beam:
    return replace(
        beam,
        direction=refined.direction,
        wavelength=refined.wavelength,
        polarization_normal=refined.polarization_normal,
        s0_at_scan_points=refined.s0_at_scan_points,
    )


def _detector_at(detector: Detector, refined: Detector) -> Detector:
    if len(detector) != len(refined):
        return refined
    panels = tuple(
        replace(p, origin=q.origin, fast_axis=q.fast_axis, slow_axis=q.slow_axis)
        for p, q in zip(detector.panels, refined.panels, strict=True)
    )
    return replace(detector, panels=panels, root=refined.root)


def _pooled(keys: list[Hashable]) -> tuple[list[int], list[int]]:
    """Return the first model of each kind, and the place among those of each model."""
    places: dict[Hashable, int] = {}
    firsts: list[int] = []
    to_place: list[int] = []
    for i, key in enumerate(keys):
        if key not in places:
            places[key] = len(firsts)
            firsts.append(i)
        to_place.append(places[key])
    return firsts, to_place


def _rounded(*values: object) -> tuple[float, ...]:
    flat = np.concatenate([np.ravel(np.asarray(v, dtype=np.float64)) for v in values])
    # adding 0 turns -0 into 0
    return tuple((np.round(flat, DIGITS) + 0.0).tolist())


def _beam_key(beam: Beam) -> Hashable:
    points = beam.s0_at_scan_points
    varying = None if points is None else _rounded(points)
    return beam.probe, beam.wavelengths, varying, _rounded(beam.direction, beam.wavelength)


def _detector_key(detector: Detector) -> Hashable:
    return tuple(
        (
            p.offset, p.image_size, p.use_parallax and p.parallax_law, p.material,
            _rounded(p.origin, p.fast_axis, p.slow_axis, p.pixel_size, p.thickness, p.mu),
        )
        for p in detector.panels
    )  # fmt: skip


def _goniometer_key(goniometer: Goniometer) -> Hashable:
    angles = [a for i, a in enumerate(goniometer.angles) if i != goniometer.scan_axis]
    return (
        goniometer.scan_axis, len(goniometer.axes),
        _rounded(goniometer.axes, angles, goniometer.setting, goniometer.fixed),
    )  # fmt: skip
