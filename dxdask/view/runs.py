"""Runs, panels and models of a store as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dxdask.geometry.resolution import corner_resolution
from dxdask.models import Detector, Experiment
from dxdask.storage.store.store import Store
from dxdask.view.layout import in_frame, in_laboratory

MODELS = ("refine", "index")
"""Steps that models are taken from, the first that is there."""


def store_summary(store: Store) -> dict[str, Any]:
    """Return name, branch, steps and runs of a store; it may have none yet."""
    runs = []
    for name in store.runs:
        experiment = store.run_experiment(name)
        (n, slow, fast), dtype = store.frames_shape(name)
        runs.append(
            {
                "name": name,
                "first": experiment.first_image,
                "images": n,
                "shape": [slow, fast],
                "dtype": dtype,
                "still": experiment.scan is None or experiment.scan.is_still,
            }
        )
    return {
        "store": store.path.name,
        "branch": store.branch,
        "steps": list(store.show()["steps"]),
        "runs": runs,
    }


def models_of(store: Store, run: str) -> tuple[Experiment, ...]:
    """Return the experiments of a run as refined, else as indexed, else as imported.

    Of stills they are those of the run, not of its lattices.

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    """
    imported = store.run_experiment(run)
    for step in MODELS:
        if store.has_step(step) and run in store.manifest(step).made_from:
            found = tuple(e for e in store.experiments(step) if e.run == run)
            if found and imported.scan is not None and not imported.scan.is_still:
                return found
    return (imported,)


def models_version(store: Store, run: str) -> tuple[str, ...]:
    """Return what changes when `models_of` does: of the run and of the steps.

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    """
    steps = (str(store.step_attributes(s)["id"]) for s in MODELS if store.has_step(s))
    return (run, str(store.run_attributes(run)["id"]), *steps)


def run_models(experiments: Sequence[Experiment], imported: Experiment) -> dict[str, Any]:
    """Return the geometry of a run, and the crystals found.

    experiments : of one run, as of `models_of`. imported : of this run.

    Returns
    -------
    dict
        Masks and thresholds are of the panels that were recorded, which refinement may have cut:
        then `recorded` has these panels.
    """
    experiment = experiments[0]
    detector, beam, scan = experiment.detector, experiment.beam, experiment.scan
    recorded, goniometer = imported.detector, experiment.goniometer
    crystals = [e.crystal for e in experiments if e.crystal is not None]
    centre = beam_centre(experiment)
    return {
        **_panels(detector),
        "recorded": None if len(recorded) == len(detector) else _panels(recorded),
        "beam": centre,
        "axis": None if goniometer is None else axis_line(experiment, centre),
        "wavelength": beam.wavelength,
        "d_min": corner_resolution(detector, beam.s0),
        "oscillation": None if scan is None else list(scan.oscillation),
        "crystals": [
            {"cell": [round(v, 3) for v in c.unit_cell], "space_group": c.space_group}
            for c in crystals
        ],
    }


def _panels(detector: Detector) -> dict[str, Any]:
    """Return the panels of a detector, and their places in the stored frame and the laboratory."""
    panels = [
        {
            "name": panel.name,
            "size": panel.image_size,
            "offset": panel.offset,
            "trusted": [v if np.isfinite(v) else None for v in panel.trusted_range],
            "distance": panel.distance,
        }
        for panel in detector.panels
    ]
    return {
        "panels": panels,
        "frame": in_frame(detector).tolist(),
        "laboratory": in_laboratory(detector).tolist(),
    }


def beam_centre(experiment: Experiment) -> list[float] | None:
    """Return panel, x, y (px) of the direct beam: on the panel, or in the plane of the nearest."""
    best: tuple[float, list[float]] | None = None
    s0 = experiment.beam.s0
    for i, panel in enumerate(experiment.detector.panels):
        mm = panel.ray_intersection(s0[None, :])
        if not np.isfinite(mm).all():
            continue
        xy = panel.mm_to_pixel(mm)[0]
        away = float(np.linalg.norm(np.maximum(np.maximum(-xy, xy - panel.image_size), 0.0)))
        if best is None or away < best[0]:
            best = away, [i, *map(float, xy)]
    return None if best is None else best[1]


def axis_line(experiment: Experiment, centre: list[float] | None) -> list[float] | None:
    """Return panel, x, y, dx, dy (px): the beam centre, and the rotation axis on its panel."""
    if centre is None or experiment.goniometer is None:
        return None
    panel = experiment.detector.panels[int(centre[0])]
    axis = experiment.goniometer.rotation_axis
    along = np.array([axis @ panel.fast_axis, axis @ panel.slow_axis]) / panel.pixel_size
    length = float(np.linalg.norm(along))
    return None if length < 1e-9 else [*centre, *(along / length).tolist()]
