"""True positions of the panels: from a store that refined them, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Detector, Experiment
from dxdask.refinement.modules.recut import cut_as
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.parameters import InputParameters
from dxdask.storage.importers.reference_geometry import check_fits, with_reference
from dxdask.storage.importers.refined_store import REFINED
from dxdask.storage.store.store import Store


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
        out = _from_store(sources, path, given)
    else:
        found = {s.name: with_reference(s, given) for s in sources}
        out = {s.name: found[s.name].experiment for s in sources if found[s.name] is not s}
    for source in sources:
        _require_same_cut(source, out.get(source.name), path)
    return out


def _require_same_cut(source: RunSource, geometry: Experiment | None, path: Path) -> None:
    """Refuse a geometry that has panels of a run in parts: spots are found on the run's panels."""
    own = source.experiment.detector
    if geometry is not None and cut_as(own, geometry.detector) is not own:
        raise InputError(
            f"input.reference_geometry={path} has {len(geometry.detector)} panels where run "
            f"{source.name} has {len(own)}; import the files with it (dxdask import FILES "
            f"input.reference_geometry={path}), and process that store"
        )


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
    what = f"input.reference_geometry={path}"
    detector, *others = store.experiments(step).detectors
    if any(placed(detector, other, what).panels != detector.panels for other in others):
        raise InputError(
            f"{step} of {what} has {1 + len(others)} detectors, of which none is meant; give a "
            "geometry file"
        )
    out = {}
    for source in sources:
        check_fits(detector, source.shape[1:], what, source.name)
        own = source.experiment
        better = placed(own.detector, detector, what) if given.use_detector_reference else None
        out[source.name] = own if better is None else replace(own, detector=better)
    return out


def placed(own: Detector, reference: Detector, what: str) -> Detector:
    """Return the detector with its panels where they are in the reference; `what` that is.

    Panels are the same where they lie at the same place in the frame; in a reference that does not
    know the frame, where they are as many, of the same sizes, in the same order. A panel that the
    reference has in parts, as after refinement of modules, is re-cut into them.

    Raises
    ------
    InputError
        They are others.
    """
    if all(len({p.offset for p in d.panels}) == len(d) for d in (own, reference)):
        own, reference = cut_as(own, reference), cut_as(reference, own)
    by_place = {(p.offset, p.image_size): p for p in reference.panels}
    sizes = [[(p.image_size, p.pixel_size) for p in d.panels] for d in (own, reference)]
    in_order = len(by_place) < len(reference) and sizes[0] == sizes[1]
    panels = []
    for i, panel in enumerate(own.panels):
        there = reference[i] if in_order else by_place.get((panel.offset, panel.image_size))
        if there is None or not np.allclose(there.pixel_size, panel.pixel_size, rtol=1e-3):
            width, height = panel.pixel_size
            raise InputError(
                f"{what} has no panel of {panel.image_size} pixels of {width:g} x {height:g} mm at "
                f"{panel.offset} of the frame (fast, slow); give a geometry of this detector"
            )
        panels.append(
            replace(
                panel, origin=there.origin, fast_axis=there.fast_axis, slow_axis=there.slow_axis
            )
        )
    return replace(own, panels=tuple(panels))
