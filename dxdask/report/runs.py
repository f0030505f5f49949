"""Runs of a store with their geometry as it was imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dxdask.models import Beam, Detector, Experiment
    from dxdask.storage.store.store import Store


def run_rows(store: Store) -> list[dict[str, Any]]:
    """Return a row for each run, with its geometry as it was imported."""
    rows = []
    for run in store.runs:
        experiment = store.run_experiment(run)
        shape, dtype = store.frames_shape(run)
        linked = store.run_attributes(run)["source"].get("linked_to")
        rows.append(
            {
                "run": run,
                "n_images": shape[0],
                "frame": f"{shape[1]} x {shape[2]}",
                "dtype": dtype,
                "linked_to": linked,
                "frames": store.place_of_frames(run),
                **_of_beam(experiment.beam),
                **_of_detector(experiment.detector, experiment.beam),
                **_of_scan(experiment),
            }
        )
    return rows


def _of_beam(beam: Beam) -> dict[str, Any]:
    return {"wavelength_A": beam.wavelength, "transmission": beam.transmission}


_DETECTOR = (
    "panel_size_px", "pixel_size_mm", "sensor", "trusted_range", "gain", "pedestal", "distance_mm",
    "panel", "beam_x_px", "beam_y_px",
)  # fmt: skip


def _of_detector(detector: Detector, beam: Beam) -> dict[str, Any]:
    """Return the values of a detector; None where files of reflections do not tell it."""
    if not detector.panels:
        return {"n_panels": 0, **dict.fromkeys(_DETECTOR)}
    first = detector.panels[0]
    panel, (x, y) = _beam_centre(detector, beam)
    return {
        "n_panels": len(detector.panels),
        "panel_size_px": list(first.image_size),
        "pixel_size_mm": list(first.pixel_size),
        "sensor": f"{first.material} {first.thickness:g} mm" if first.material else "",
        "trusted_range": [float(v) for v in first.trusted_range],
        "gain": first.gain,
        "pedestal": first.pedestal,
        "distance_mm": detector.panels[panel or 0].distance,
        "panel": panel,
        "beam_x_px": x,
        "beam_y_px": y,
    }


def _beam_centre(
    detector: Detector, beam: Beam
) -> tuple[int | None, tuple[float | None, float | None]]:
    """Return the panel that the beam hits, or is the nearest to, and where in the frame (px)."""
    import numpy as np  # of which `dxdask --help`, which needs this module, needs nothing

    best: tuple[float, int, tuple[float, float]] | None = None
    for i, panel in enumerate(detector.panels):
        with np.errstate(all="ignore"):
            mm = panel.ray_intersection(np.array([beam.s0]))
            x, y = (float(v) for v in np.asarray(panel.mm_to_pixel(mm))[0])
        if not np.isfinite([x, y]).all():
            continue
        width, height = panel.image_size
        outside = max(-x, x - width, 0.0) + max(-y, y - height, 0.0)
        if best is None or outside < best[0]:
            best = outside, i, (x + panel.offset[0], y + panel.offset[1])
    return (None, (None, None)) if best is None else best[1:]


def _of_scan(experiment: Experiment) -> dict[str, Any]:
    scan, goniometer = experiment.scan, experiment.goniometer
    still = scan is None or scan.oscillation[1] == 0.0
    axis = None if goniometer is None or still else goniometer.rotation_axis.tolist()
    return {
        "image_range": None if scan is None else list(scan.image_range),
        "start_deg": None if scan is None or still else scan.oscillation[0],
        "width_deg": None if scan is None or still else scan.oscillation[1],
        "axis": axis,
        "axis_name": goniometer.names[goniometer.scan_axis] if goniometer and axis else None,
    }
