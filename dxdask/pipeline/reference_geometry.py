"""Where the panels really are: from a store that refined them, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Detector, Experiment
from dxdask.storage.importers.parameters import InputParameters
from dxdask.storage.importers.reference_geometry import check_fits, with_reference
from dxdask.storage.importers.runs import RunSource
from dxdask.storage.store import Store

REFINED = ("refine_metrology", "refine", "index")
"""Steps whose detector is taken from a store, the first that is there."""


def geometries_for(sources: Sequence[RunSource], given: InputParameters) -> dict[str, Experiment]:
    """Return the models of each run with the geometry that `reference_geometry` names; none if it
    names none, or the runs were imported with it.

    Raises
    ------
    InputError, FormatError, StoreNotFoundError
        It is not there, holds no geometry, or one of other frames.
    """
    path = given.reference_geometry
    if path is None:
        return {}
    if path.suffix == ".zarr":
        return _from_store(sources, path, given)
    found = {s.name: with_reference(s, given) for s in sources}
    return {s.name: found[s.name].experiment for s in sources if found[s.name] is not s}


def _from_store(
    sources: Sequence[RunSource], path: Path, given: InputParameters
) -> dict[str, Experiment]:
    store = Store.open(path, mode="r")
    step = next((name for name in REFINED if store.has_step(name)), None)
    if step is None:
        raise StoreNotFoundError(
            f"input.reference_geometry={path} holds no refined geometry; run: dxdask "
            f"refine_metrology {path}"
        )
    detectors = store.experiments(step).detectors
    if len(detectors) != 1:
        raise InputError(
            f"{step} of input.reference_geometry={path} has {len(detectors)} detectors, of which "
            "none is meant; give a geometry file"
        )
    out = {}
    for source in sources:
        check_fits(detectors[0], source.shape[1:], f"input.reference_geometry={path}", source.name)
        own = source.experiment
        detector = _placed(own.detector, detectors[0]) if given.use_detector_reference else None
        out[source.name] = own if detector is None else replace(own, detector=detector)
    return out


def _placed(own: Detector, reference: Detector) -> Detector:
    """Return the detector with the panels where they are in the reference."""
    by_place = {(p.offset, p.image_size): p for p in reference.panels}
    panels = []
    for panel in own.panels:
        there = by_place.get((panel.offset, panel.image_size))
        if there is None:
            raise InputError(
                f"the reference geometry has no panel of {panel.image_size} pixels at "
                f"{panel.offset} of the frame (fast, slow); give that of this detector"
            )
        panels.append(
            replace(
                panel, origin=there.origin, fast_axis=there.fast_axis, slow_axis=there.slow_axis
            )
        )
    return replace(own, panels=tuple(panels))
