"""The jobs `detector_shifts` and `detector_statistics`: how two geometries differ, part by part."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Detector, Experiment
from dxdask.models.vectors import unit
from dxdask.pipeline.metrology.parameters import GEOMETRIES, DetectorShiftsParameters
from dxdask.pipeline.reference_geometry import REFINED, placed
from dxdask.refinement.metrology.congruence import congruence_table
from dxdask.refinement.metrology.panel_frames import with_panel_frames
from dxdask.refinement.metrology.tables import detector_shifts as shifts_table
from dxdask.refinement.metrology.tables import detector_statistics as statistics_table
from dxdask.refinement.models.detector_parts import parts_of
from dxdask.refinement.modules.recut import cut_as
from dxdask.storage.importers.reference_geometry import read_geometry
from dxdask.storage.store.store import Store
from dxdask.tables import Table

PathLike = str | os.PathLike[str]
STEP = "refine_metrology"
ALONG = np.array([0.0, 0.0, -1.0])
"""The beam (imgCIF), where no geometry gives another."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two geometries of one detector.

    Attributes
    ----------
    before, after : with the same panels in the same order. beam : (3,) unit vector along the beam.
    n_spots : (panels,) that the panels were measured with, where it is known. names : of the two.
    """

    before: Detector
    after: Detector
    beam: NDArray[np.float64]
    n_spots: NDArray[np.int64] | None
    names: tuple[str, str]

    @property
    def congruence(self) -> Table:
        """Differences of the two, but for those that spots of stills do not determine."""
        return congruence_table(self.before, self.after, self.beam)


@dataclass(frozen=True, kw_only=True)
class _Found:
    detector: Detector
    direction: NDArray[np.float64] | None = None
    n_spots: NDArray[np.int64] | None = None


def detector_shifts(
    one: PathLike, other: PathLike | None = None, parameters: DetectorShiftsParameters | None = None
) -> tuple[Compared, Table]:
    """Return the shifts of the parts of a detector from `one` to `other`, level by level.

    Each is a store (its refined detector, else that of index, else as imported), a .geom of
    CrystFEL, a .expt of DIALS or a .json of panels. One store alone: after refine_metrology against
    before. Spots that weigh the means are those of refine_metrology.

    Raises
    ------
    StoreNotFoundError, InputError, FormatError
        A geometry is not there, cannot be read, or the two are of different detectors.
    """
    compared = compare(one, other)
    level = (parameters or DetectorShiftsParameters()).max_hierarchy_level
    parts = parts_of(compared.before, level)
    table = shifts_table(compared.before, compared.after, parts, compared.beam, compared.n_spots)
    return compared, replace(table, title=f"Shifts from {compared.names[0]} to {compared.names[1]}")


def compare(one: PathLike, other: PathLike | None = None) -> Compared:
    """Return the two geometries to compare; see `detector_shifts`."""
    if other is None:
        if Path(one).suffix != ".zarr":
            raise InputError(f"give a second geometry to compare {one} with, or a store alone")
        return refined_in(Store.open(one, mode="r"))
    first, second = _found(one), _found(other)
    base = second if _has_groups(second.detector) and not _has_groups(first.detector) else first
    if base is first:
        before = cut_as(first.detector, second.detector)
        after = placed(before, second.detector, str(other))
    else:
        after = cut_as(second.detector, first.detector)
        before = placed(after, first.detector, str(one))
    spots = [_in_order(f, before) for f in (first, second) if f.n_spots is not None]
    directions = [f.direction for f in (first, second) if f.direction is not None]
    beam = directions[0] if directions else ALONG
    names = (str(one), str(other))
    n_spots = spots[0] if spots else None
    return Compared(before=before, after=after, beam=beam, n_spots=n_spots, names=names)


def refined_in(store: Store) -> Compared:
    """Return the geometries before and after refine_metrology of a store.

    Raises
    ------
    StoreNotFoundError
        It was not run.
    """
    _require_metrology(store)
    refined, arrays = store.experiments(STEP)[0], store.arrays(STEP)
    return Compared(
        before=with_panel_frames(refined.detector, arrays["panels_start"]),
        after=refined.detector,
        beam=_direction(refined),
        n_spots=arrays["n_spots"],
        names=("before", "after refine_metrology"),
    )


def detector_statistics(
    path: PathLike, parameters: DetectorShiftsParameters | None = None
) -> tuple[Compared, Table]:
    """Return the differences between the geometries from odd and from even stills of a store.

    Raises
    ------
    StoreNotFoundError
        refine_metrology was not run.
    InputError
        Its stills were not split.
    """
    store = Store.open(path, mode="r")
    _require_metrology(store)
    if "panels_odd" not in store.step_attributes(STEP)["arrays"]:
        raise InputError(
            f"{STEP} in {store.path} has no halves to compare: its stills were not split, or "
            f"fewer than four; run: dxdask {STEP} {store.path} metrology.split_dataset=true"
        )
    refined, arrays = store.experiments(STEP)[0], store.arrays(STEP)
    odd, even = (
        with_panel_frames(refined.detector, arrays[f"panels_{h}"]) for h in ("odd", "even")
    )
    level = (parameters or DetectorShiftsParameters()).max_hierarchy_level
    beam, n_spots = _direction(refined), arrays["n_spots"]
    compared = Compared(
        before=odd, after=even, beam=beam, n_spots=n_spots, names=("odd stills", "even stills")
    )
    return compared, statistics_table(odd, even, parts_of(odd, level), beam, n_spots)


def _found(path: PathLike) -> _Found:
    suffix = Path(path).suffix
    if suffix not in GEOMETRIES and suffix != ".zarr":
        raise InputError(f"{path} is no geometry; give a store, {', '.join(GEOMETRIES)}")
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such geometry")
    if suffix != ".zarr":
        geometry = read_geometry(Path(path))
        known = None if geometry.beam is None else -unit(geometry.beam.direction)
        return _Found(detector=geometry.detector, direction=known)
    store = Store.open(path, mode="r")
    step = next((name for name in REFINED if store.has_step(name)), None)
    experiments = store.imported() if step is None else store.experiments(step)
    if not len(experiments):
        raise StoreNotFoundError(f"{store.path} holds no run, and so no geometry; import frames")
    n_spots = store.arrays(step, ["n_spots"])["n_spots"] if step == STEP else None
    experiment = experiments[0]
    return _Found(detector=experiment.detector, direction=_direction(experiment), n_spots=n_spots)


def _has_groups(detector: Detector) -> bool:
    """Return True if the hierarchy has parts between the whole and the panels."""
    return any(1 < len(part.panels) < len(detector) for part in parts_of(detector, None))


def _in_order(found: _Found, detector: Detector) -> NDArray[np.int64]:
    """Return the spots (panels,) on each panel of a detector, 0 where they are not known."""
    counts = np.zeros(len(found.detector), np.int64) if found.n_spots is None else found.n_spots
    by_place = {p.offset: int(n) for p, n in zip(found.detector.panels, counts, strict=True)}
    if len(by_place) < len(counts):
        return counts
    return np.array([by_place.get(p.offset, 0) for p in detector.panels], np.int64)


def _direction(experiment: Experiment) -> NDArray[np.float64]:
    return -unit(experiment.beam.direction)


def _require_metrology(store: Store) -> None:
    if not store.has_step(STEP):
        raise StoreNotFoundError(
            f"{store.path} holds no refined geometry; run: dxdask {STEP} {store.path}"
        )
