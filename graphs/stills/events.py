"""Events to crystals and observations: what one task does to its frames.

Nothing of an event depends on the others, so however the events are cut the results are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, concatenate, select
from dxdask.errors import DxdaskError, InputError, plain
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.rows import event_rows, without_wavelength
from dxdask.graphs.stills.run import StillsRun
from dxdask.hits import Peakfinder8, find_hits
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.many import IndexedStills, index_known, lattices_of_stills
from dxdask.integration.stills.block import integrate_block
from dxdask.integration.stills.context import stills_context
from dxdask.models.vectors import unit
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.stills.measurements import measurements_of
from dxdask.refinement.stills.nave import nave_parameters
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.images import is_used
from dxdask.spotfinding.parts import spots_of_block
from dxdask.spotfinding.result import result_of_part
from dxdask.spotfinding.workspaces import Workspace
from dxdask.still_columns import Stills

Frames = Mapping[int, NDArray[Any]]


class EventFrames(NamedTuple):
    """Consecutive frames (n, slow, fast), the first of index `first` in the run, and why some could
    not be read: index in `frames` -> reason.
    """

    first: int
    frames: NDArray[Any]
    unread: Mapping[int, str] = MappingProxyType({})


def process_events(
    events: EventFrames,
    run: StillsRun,
    known: KnownCell | None = None,
    *,
    integrate: bool = True,
    room: Workspace | None = None,
) -> StillsPart:
    """Take consecutive events from frames to crystals and observations.

    Parameters
    ----------
    run : see `stills_run`. known : the cell; None: spots and hits are found, and
    their lattices. room : a workspace in which only events of this run were looked at.
    """
    part = spots_of_events(events, run, room)
    if known is None:
        return with_lattices(part, run) if run.parameters.dispatch.index else part
    part = index_events(part, run, known)
    if not integrate:
        return part
    hits = part.stills["image"][part.stills["hit"]].tolist()
    frames = {image: events.frames[image - run.first_z - events.first] for image in hits}
    return integrate_events(frames, part, run, known)


def spots_of_events(
    piece: EventFrames, run: StillsRun, room: Workspace | None = None
) -> StillsPart:
    """Return spots and hits; room : as in `process_events`."""
    z = run.first_z + piece.first
    room = room or Workspace()
    if run.parameters.hits.method == "peakfinder8":
        return with_hits(_peaks(piece.frames, z, run, piece.unread, room), run)
    return with_hits(_spots(piece.frames, z, run, piece.unread, room), run)


def with_hits(part: StillsPart, run: StillsRun) -> StillsPart:
    """Return the part with its hits found."""
    hits = find_hits(
        part.spots, part.stills, run.experiments_as_imported, run.parameters.hit_finder
    )
    names = ("n_spots", "hit", "reason")
    stills = part.stills | {name: hits.arrays[name] for name in names}
    return replace(part, stills=stills, problems=(*part.problems, *without_wavelength(stills, run)))


def with_lattices(part: StillsPart, run: StillsRun) -> StillsPart:
    """Return the part with the lattices of the hits on which one shows, the cell unknown."""
    lattices = lattices_of_stills(part.spots, part.stills, run.experiments, run.parameters.indexing)
    return replace(part, lattices=lattices)


def index_events(part: StillsPart, run: StillsRun, known: KnownCell) -> StillsPart:
    """Return the part with the crystals of its hits; one that cannot be done is a problem."""
    problems: list[Mapping[str, Any]] = []
    spots = _of_hits(part.spots, part.stills)
    try:
        found = _index(spots, part.stills, run, known)
    except (DxdaskError, ArithmeticError, np.linalg.LinAlgError):
        stills = dict(part.stills)
        problems = _give_up_failing(spots, stills, run, known)
        spots = _of_hits(part.spots, stills)
        found = _index(spots, stills, run, known)
    stills = _with_widths(found, run, known) | {"hit": part.stills["hit"]}
    return replace(
        part,
        stills=stills,
        indexed=found.reflections,
        additional_image=stills["image"][found.additional_still].astype(np.int64),
        additional_a_matrix=found.additional_a_matrix,
        problems=(*part.problems, *problems),
    )


def integrate_events(
    frames: Frames, part: StillsPart, run: StillsRun, known: KnownCell
) -> StillsPart:
    """Return the part with the observations of its crystals; frames : of their images, by image.

    A still whose frame is not there keeps its crystal and has no observations.

    Raises
    ------
    InputError
        The events are not indexed.
    """
    if part.indexed is None:
        raise InputError("the events are not indexed; index them first")
    given = run.parameters.integration
    context = stills_context(
        run.experiment.detector, run.experiment.beam, known.group.xhm(),
        d_min=given.prediction.d_min, d_max=given.prediction.d_max, maps=run.maps,
    )  # fmt: skip
    image_of_spot = np.floor(part.indexed["z"]).astype(np.int64)
    none = np.empty((0, *run.mask.shape), np.int32)
    nothing = {name: values[:0] for name, values in part.stills.items()}
    start = integrate_block(none, 0, nothing, part.indexed, run.mask, context, given)
    stills = _filled(part.stills, start.stills)
    tables = [start.reflections]
    for row in np.flatnonzero(part.stills["indexed"]):
        image = int(part.stills["image"][row])
        if image not in frames:
            continue
        own = select(part.indexed, image_of_spot == image)
        one = {name: values[row : row + 1] for name, values in part.stills.items()}
        found = integrate_block(frames[image][None], image, one, own, run.mask, context, given)
        tables.append(found.reflections)
        for name in stills:
            stills[name][row] = found.stills[name][0]
    return replace(part, integrated=stills, observations=concatenate(tables))


def _filled(stills: Stills, like: Stills) -> Stills:
    """Return the table with all columns of `like`, those that are new without a value."""
    n = len(stills["image"])
    new = {name: np.full(n, np.nan) for name in like if name not in stills}
    return {name: values.copy() for name, values in (stills | new).items()}


def _spots(
    frames: NDArray[Any],
    z: int,
    run: StillsRun,
    unread: Mapping[int, str],
    room: Workspace,
) -> StillsPart:
    found = spots_of_block(
        (FramePiece(z, frames, unread),), run.as_imported, run.spot_masks,
        run.spotfinder, first_z=z, n_frames=len(frames), ranges=run.ranges, maps=run.maps,
        workspace=room,
    )  # fmt: skip
    result = result_of_part(found, run.as_imported, run.spotfinder, experiment_index=run.index)
    images = found.images
    return StillsPart(
        stills=event_rows(images.z, images.n_strong, images.reasons, run),
        spots=in_order_of_events(result.reflections),
        found=found,
        problems=result.problems,
    )


def _peaks(
    frames: NDArray[Any],
    z: int,
    run: StillsRun,
    unread: Mapping[int, str],
    room: Workspace,
) -> StillsPart:
    finder = room.kept(
        "peakfinder8",
        lambda: Peakfinder8(
            run.as_imported, run.mask, run.parameters.hits, experiment_index=run.index
        ),
    )
    used = [i for i in range(len(frames)) if is_used(z + i, run.ranges)]
    tables = [finder(np.zeros_like(f) if i in unread else f, z + i)
              for i, f in ((i, frames[i]) for i in used)]  # fmt: skip
    strong = np.array([t["n_pixels"].sum() for t in tables], np.int64)
    reasons = {z + i: reason for i, reason in unread.items() if i in used}
    problems = tuple(
        {"run": run.experiment.run, "image": image + 1, "step": "find_spots", "reason": reason}
        for image, reason in sorted(reasons.items())
    )
    return StillsPart(
        stills=event_rows(np.array(used, np.int64) + z, strong, reasons, run),
        spots=concatenate(tables),
        problems=problems,
    )


def in_order_of_events(spots: Reflections) -> Reflections:
    """Return the spots by event, and in one as they are."""
    return select(spots, np.argsort(np.floor(spots["z"]), kind="stable"))


def _of_hits(spots: Reflections, stills: Stills) -> Reflections:
    hits = stills["image"][stills["hit"]]
    return select(spots, np.isin(np.floor(spots["z"]).astype(np.int64), hits))


def _give_up_failing(
    spots: Reflections, stills: Stills, run: StillsRun, known: KnownCell
) -> list[Mapping[str, Any]]:
    """Take events whose indexing fails from the hits of `stills`; return why, as problems."""
    problems: list[Mapping[str, Any]] = []
    stills["hit"] = stills["hit"].copy()
    for row in np.flatnonzero(stills["hit"]):
        alone = {name: values[row : row + 1] for name, values in stills.items()}
        try:
            _index(_of_hits(spots, alone), alone, run, known)
        except (DxdaskError, ArithmeticError, np.linalg.LinAlgError) as error:
            stills["hit"][row], image = False, int(stills["image"][row]) + 1
            problems.append(
                {"run": run.experiment.run, "image": image, "step": "index", "reason": plain(error)}
            )
    return problems


def _index(spots: Reflections, stills: Stills, run: StillsRun, known: KnownCell) -> IndexedStills:
    return index_known(spots, stills, run.experiments, known, run.parameters.indexing)


def _with_widths(found: IndexedStills, run: StillsRun, known: KnownCell) -> Stills:
    """Return the table of stills with domain size and mosaicity, by the spots of each."""
    stills = found.stills
    n = len(stills["image"])
    out = stills | {name: np.full(n, np.nan) for name in ("domain_size", "half_mosaicity")}
    if not stills["indexed"].any():
        return out
    measured = measurements_of(found.reflections, stills)
    crystals = Crystals.alike(stills["a_matrix"][measured.rows], known.cell, known.group)
    widths = nave_parameters(
        measured, crystals, -unit(run.experiment.beam.direction),
        bandwidth=run.parameters.integration.prediction.bandwidth,
    )  # fmt: skip
    out["domain_size"][measured.rows] = widths.domain_size
    out["half_mosaicity"][measured.rows] = widths.half_mosaicity
    return out
