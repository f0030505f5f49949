"""True positions of the panels: from a store that refined them, or from a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Detector, Experiment
from dxdask.models.vectors import vector
from dxdask.pipeline.experiments.models import average_detector
from dxdask.pipeline.inputs import kind_of_store
from dxdask.pipeline.staleness import require_not_stale
from dxdask.refinement.modules.recut import cut_as
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.parameters import InputParameters
from dxdask.storage.importers.reference_geometry import check_fits, with_reference
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

REFINED = ("refine_metrology", "refine", "index")
"""Steps whose detector is taken from a store, the first that is there."""
LARGEST_DIFFERENCE = 1.0
"""Distance, mm, of a panel's corners in detectors of one store that are averaged."""


def geometries_for(
    sources: Sequence[RunSource], given: InputParameters, own: Path | None = None
) -> dict[str, Experiment]:
    """Return the models of each run with the geometry that `reference_geometry` names; none if it
    names none, or the runs were imported with it.

    own : path of the store that is processed.

    Raises
    ------
    InputError, FormatError, StoreNotFoundError
        It is not there, holds no geometry, or one of other frames.
    """
    path = given.reference_geometry
    if path is None:
        return {}
    if path.suffix == ".zarr":
        out = _from_store(sources, path, given, own)
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


@dataclass(frozen=True, kw_only=True)
class StoredGeometry:
    """The refined geometry of a store.

    Attributes
    ----------
    step : that refined it. detector : of all runs, their mean where each has its own.
    direction : of the beam, from the sample towards the source; None from metrology, which moves
        panels alone. summary : one line on what it is.
    """

    step: str
    detector: Detector
    direction: tuple[float, float, float] | None
    summary: str


def stored_geometry(
    path: Path, branch: str = "main", *, may_be_stale: bool = False
) -> StoredGeometry:
    """Return the refined geometry of a store.

    may_be_stale : what the geometry was made from may have changed since, as where a store is
        processed again with its own geometry.

    Raises
    ------
    StoreNotFoundError
        There is none.
    InputError
        It is stale, or its runs have detectors of which none is meant.
    """
    store = Store.open(path, mode="r", branch=branch)
    step = next((name for name in REFINED if store.has_step(name)), None)
    what = f"input.reference_geometry={path}"
    if step is None:
        command = "refine_metrology" if kind_of_store(store) == "stills" else "refine"
        raise StoreNotFoundError(f"{what} holds no refined geometry; run: dxdask {command} {path}")
    if not may_be_stale:
        require_not_stale(store, step)
    experiments = store.experiments(step)
    first, *others = experiments.detectors
    same = [first, *(placed(first, other, what) for other in others)]
    spread = max((_distance(first, other) for other in same), default=0.0)
    if spread > LARGEST_DIFFERENCE:
        raise InputError(
            f"{step} of {what} has {len(same)} detectors up to {spread:.2f} mm apart, of which "
            "none is meant; give a geometry file, or split the store by_detector"
        )
    several = f", the mean of {len(same)} up to {spread:.3f} mm apart" if spread else ""
    direction = None
    if step != "refine_metrology" and experiments.beams:
        mean = np.mean([b.direction for b in experiments.beams], axis=0)
        direction = vector(mean / np.linalg.norm(mean))
    moved = "detector" if direction is None else "detector and direction of the beam"
    on = "" if branch == "main" else f", branch {branch}"
    return StoredGeometry(
        step=step,
        detector=average_detector(tuple(same)) if spread else first,
        direction=direction,
        summary=f"{moved} of {step} in {path}{on}{several}",
    )


def _distance(one: Detector, other: Detector) -> float:
    """Return the largest distance, mm, of corners of panels."""
    return max(
        float(np.linalg.norm(_corners(p) - _corners(q), axis=1).max())
        for p, q in zip(one.panels, other.panels, strict=True)
    )


def _corners(panel: Any) -> Any:
    size = np.array(panel.image_size) * panel.pixel_size
    return panel.lab_coordinates(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * size)


def with_stored_geometry(
    sources: Sequence[RunSource], path: Path, given: InputParameters
) -> list[RunSource]:
    """Return runs that are about to be imported with the refined geometry of a store.

    Raises
    ------
    StoreNotFoundError, InputError
        As `stored_geometry`, or it is one of another detector.
    """
    found = stored_geometry(path, given.reference_branch)
    log.info("geometry: %s", found.summary)
    out = []
    for source in sources:
        experiment = _with(source.experiment, found, path, source, given)
        if given.use_beam_reference and found.direction is not None:
            beam = replace(experiment.beam, direction=found.direction)
            experiment = replace(experiment, beam=beam)
        out.append(replace(source, experiment=experiment))
    return out


def contents_of(sources: Sequence[RunSource], given: InputParameters) -> Mapping[str, Any]:
    """Return what the fingerprint of an import has of the geometry of a store, by run."""
    path = given.reference_geometry
    if path is None or path.suffix != ".zarr":
        return {}
    return {
        s.name: {"detector": s.experiment.detector.to_dict(), "beam": s.experiment.beam.direction}
        for s in sources
    }


def _with(
    own: Experiment, found: StoredGeometry, path: Path, source: RunSource, given: InputParameters
) -> Experiment:
    """Return models with the detector of a store, if that is asked for."""
    what = f"input.reference_geometry={path}"
    check_fits(found.detector, source.shape[1:], what, source.name)
    if not given.use_detector_reference:
        return own
    return replace(own, detector=placed(own.detector, found.detector, what))


def _from_store(
    sources: Sequence[RunSource], path: Path, given: InputParameters, own: Path | None
) -> dict[str, Experiment]:
    is_own = own is not None and path.resolve() == Path(own).resolve()
    found = stored_geometry(path, given.reference_branch, may_be_stale=is_own)
    log.info("geometry: %s", found.summary)
    return {s.name: _with(s.experiment, found, path, s, given) for s in sources}


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
