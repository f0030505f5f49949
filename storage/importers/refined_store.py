"""Geometry that a store refined, for frames that it has not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Detector, Experiment, Panel
from dxdask.models.sharing import share_equal
from dxdask.storage.store.layout import step_path
from dxdask.storage.store.store import Store

REFINED = ("refine_metrology", "refine", "index")
"""Steps whose detector is taken from a store, the first that is there."""


def refined_in(path: Path) -> tuple[Experiment, Path]:
    """Return a run with the geometry that a store refined, and the file that changes with it.

    It is that of the last step that refined one.

    Raises
    ------
    StoreNotFoundError
        There is no such store, or nothing is refined in it.
    InputError
        Its runs have different detectors.
    """
    store = Store.open(path, mode="r")
    step = next((name for name in REFINED if store.has_step(name)), None)
    if step is None:
        raise StoreNotFoundError(
            f"input.reference_geometry={path} holds no refined geometry; run: dxdask refine {path}"
        )
    experiments = share_equal(store.experiments(step))
    if len(experiments.detectors) > 1:
        raise InputError(
            f"{step} of input.reference_geometry={path} has {len(experiments.detectors)} "
            "detectors, of which none is meant; give a geometry file"
        )
    return experiments[0], step_path(store.path, store.branch, step) / "zarr.json"


def around(panel: Panel, own: Detector) -> Panel:
    """Return the panel of `own` that has another one's pixels of the frame, or else its first."""
    (x, y), (width, height) = panel.offset, panel.image_size
    for p in own.panels:
        (x0, y0), (w, h) = p.offset, p.image_size
        if x0 <= x and y0 <= y and x + width <= x0 + w and y + height <= y0 + h:
            return p
    return own[0]


def counting_as(detector: Detector, own: Detector) -> Detector:
    """Return the detector with the sensors and counts of `own`."""
    panels = []
    for panel in detector.panels:
        found = around(panel, own)
        panels.append(
            replace(
                panel, trusted_range=found.trusted_range, invalid_values=found.invalid_values,
                gain=found.gain, pedestal=found.pedestal, thickness=found.thickness,
                material=found.material, mu=found.mu, use_parallax=found.use_parallax,
            )
        )  # fmt: skip
    return replace(detector, panels=tuple(panels))
