"""Overrides of the geometry in the files' headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ParameterError
from dxdask.models import Beam, Detector, Experiment, Goniometer, Panel, Scan
from dxdask.models.attenuation import absorption, material_name
from dxdask.models.vectors import unit, vector
from dxdask.storage.importers.parameters import (
    BeamOverrides,
    DetectorOverrides,
    GeometryOverrides,
    GoniometerOverrides,
    PanelOverrides,
)


def overridden(experiment: Experiment, geometry: GeometryOverrides) -> Experiment:
    """Return the experiment with the values in `geometry` in place of those of the files.

    Raises
    ------
    ParameterError
        The overrides contradict each other or the models.
    """
    beam = _beam(experiment.beam, geometry.beam)
    detector = _detector(experiment.detector, beam, geometry.detector)
    if beam.wavelength != experiment.beam.wavelength or any(
        p.use_parallax and p.mu == 0.0 for p in detector.panels
    ):
        detector = with_absorption(detector, beam.wavelength)
    scan = experiment.scan
    if scan is not None and geometry.scan.oscillation is not None:
        scan = replace(scan, oscillation=geometry.scan.oscillation, angles=())
    goniometer = _goniometer(experiment.goniometer, scan, geometry.goniometer)
    return replace(experiment, beam=beam, detector=detector, scan=scan, goniometer=goniometer)


def _given(model: Any, *names: str) -> dict[str, Any]:
    values = {name: getattr(model, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _beam(beam: Beam, given: BeamOverrides) -> Beam:
    changes = _given(given, "wavelength", "polarization_fraction", "transmission")
    if given.wavelength is not None:
        changes["wavelengths"] = None
    for name in ("direction", "polarization_normal"):
        value = getattr(given, name)
        if value is not None:
            changes[name] = _unit(f"geometry.beam.{name}", value)
    return replace(beam, **changes)


def _unit(name: str, value: tuple[float, ...]) -> tuple[float, float, float]:
    if not any(value):
        raise ParameterError(f"{name}={value} has no direction; give three numbers, not all 0")
    return vector(unit(value))


def _detector(detector: Detector, beam: Beam, given: DetectorOverrides) -> Detector:
    panels = list(detector.panels)
    for change in given.panel:
        if change.id >= len(panels):
            raise ParameterError(
                f"geometry.detector.panel.id={change.id}: the detector has {len(panels)} panels, "
                f"0 to {len(panels) - 1}"
            )
        panels[change.id] = _panel(panels[change.id], beam, change)
    moved = replace(detector, panels=tuple(panels))
    if given.distance is not None:
        moved = _at_distance(moved, beam, given.distance)
    centre = given.fast_slow_beam_centre
    if given.slow_fast_beam_centre is not None:
        if centre is not None:
            raise ParameterError(
                "geometry.detector: give fast_slow_beam_centre or slow_fast_beam_centre, not both"
            )
        slow, fast, *which = given.slow_fast_beam_centre
        centre = (fast, slow, *which)
    return moved if centre is None else with_beam_centre(moved, beam, centre)


def _panel(panel: Panel, beam: Beam, given: PanelOverrides) -> Panel:
    changes = _given(
        given, "origin", "pixel_size", "trusted_range", "thickness", "gain", "pedestal"
    )
    for name in ("fast_axis", "slow_axis"):
        value = getattr(given, name)
        if value is not None:
            changes[name] = _unit(f"geometry.detector.panel.{name}", value)
    if given.material is not None:
        changes["material"] = material_name(given.material)
    changed = replace(panel, **changes)
    if abs(float(np.dot(changed.fast_axis, changed.slow_axis))) > 1e-3:
        raise ParameterError(
            f"geometry.detector.panel.id={given.id}: fast_axis, slow_axis are not at right angles"
        )
    if given.material is not None or given.thickness is not None:
        has_sensor = bool(changed.material) and changed.thickness > 0.0
        mu = absorption(changed.material, beam.wavelength) if has_sensor else 0.0
        changed = replace(changed, mu=mu, use_parallax=has_sensor)
    return changed


def with_absorption(detector: Detector, wavelength: float) -> Detector:
    """Return the detector with the absorption of its sensors at a wavelength, Angstrom."""
    panels = [
        replace(p, mu=absorption(p.material, wavelength)) if p.use_parallax and p.material else p
        for p in detector.panels
    ]
    return replace(detector, panels=tuple(panels))


def _shifted(detector: Detector, shift: Floats) -> Detector:
    panels = tuple(p.moved(np.eye(3), shift) for p in detector.panels)
    return Detector(panels=panels, root=detector.root.shifted(shift))


def _at_distance(detector: Detector, beam: Beam, distance: float) -> Detector:
    """Return the detector shifted as a whole, so that panel 0 stands at this distance, mm.

    It stays on its side of the sample, and goes behind it where it stood in it.
    """
    panel = detector[0]
    along = float(panel.normal @ np.asarray(panel.origin))
    side = along if abs(along) > 1e-6 else float(panel.normal @ beam.s0)
    change = (np.copysign(distance, side) - along) * panel.normal
    return _shifted(detector, change)


def with_beam_centre(detector: Detector, beam: Beam, centre: tuple[float, ...]) -> Detector:
    """Return the detector shifted in its plane, so that the beam meets it at `centre`, px."""
    index = int(centre[2]) if len(centre) == 3 else _hit_panel(detector, beam)
    if not 0 <= index < len(detector):
        raise ParameterError(
            f"geometry.detector.fast_slow_beam_centre names panel {index} of {len(detector)}"
        )
    panel = detector[index]
    now = panel.ray_intersection(beam.s0)
    if not np.all(np.isfinite(now)):
        raise ParameterError(f"the beam does not meet panel {index}: its beam centre cannot be set")
    change = now - np.asarray(centre[:2]) * np.asarray(panel.pixel_size)
    return _shifted(detector, panel.d_matrix[:, :2] @ change)


def _hit_panel(detector: Detector, beam: Beam) -> int:
    for i, panel in enumerate(detector.panels):
        px = panel.ray_intersection(beam.s0) / np.asarray(panel.pixel_size)
        if np.all((px >= 0) & (px < np.asarray(panel.image_size))):
            return i
    return 0


def _goniometer(
    goniometer: Goniometer | None, scan: Scan | None, given: GoniometerOverrides
) -> Goniometer | None:
    out = goniometer
    if given.axes is not None:
        if not given.axes or len(given.axes) % 3:
            raise ParameterError(
                f"geometry.goniometer.axes has {len(given.axes)} numbers; give three for each axis"
            )
        rows = [given.axes[i : i + 3] for i in range(0, len(given.axes), 3)]
        n_axes = len(rows)
        old = goniometer if goniometer and len(goniometer.axes) == n_axes else None
        out = Goniometer(
            axes=tuple(_unit("geometry.goniometer.axes", row) for row in rows),
            angles=old.angles if old else (0.0,) * n_axes,
            names=old.names if old else ("omega",) if n_axes == 1 else _names(n_axes),
            scan_axis=old.scan_axis if old else n_axes - 1,
        )
    if out is None:
        return None
    n_axes = len(out.axes)
    for name in ("angles", "names"):
        value = getattr(given, name)
        if value is not None:
            if len(value) != n_axes:
                raise ParameterError(
                    f"geometry.goniometer.{name} has {len(value)} values for {n_axes} axes"
                )
            out = replace(out, **{name: value})
    if given.scan_axis is not None:
        if given.scan_axis >= n_axes:
            raise ParameterError(
                f"geometry.goniometer.scan_axis={given.scan_axis}: the axes are 0 to {n_axes - 1}"
            )
        out = replace(out, scan_axis=given.scan_axis)
    if given.invert_rotation_axis:
        axes = list(out.axes)
        axes[out.scan_axis] = vector(-np.asarray(axes[out.scan_axis]) + 0.0)
        out = replace(out, axes=tuple(axes))
    if scan is not None:
        angles = list(out.angles)
        angles[out.scan_axis] = scan.oscillation[0]
        out = replace(out, angles=tuple(angles))
    return out


def _names(n_axes: int) -> tuple[str, ...]:
    return ("phi", "kappa", "omega") if n_axes == 3 else tuple(f"axis_{i}" for i in range(n_axes))
