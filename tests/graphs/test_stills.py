"""The graph of stills: the same however frames are cut, few tasks, nothing computed to build it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask
import numpy as np
import pytest
from dask import config, delayed
from numpy.typing import NDArray
from support.frame_readers import MemoryReader, Results, marked, n_tasks, refuse
from support.made_up_stills import CELL, panels
from support.painted_stills import WAVELENGTH
from support.still_runs import SPOTS, events

from dxdask.graphs.fold import n_folds
from dxdask.graphs.stills.events import EventFrames, process_events
from dxdask.graphs.stills.parameters import StillsParameters
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.process import RunOfFrames, process_stills, resume_stills
from dxdask.graphs.stills.run import StillsRun, stills_run
from dxdask.indexing.stills import KnownCell
from dxdask.models import Beam, Experiment
from dxdask.parameters.assignments import with_assignments
from dxdask.storage.frames.lazy import lazy_frames

KNOWN = KnownCell.of(CELL, "P43212")
EVENTS = events("x.xx.")


def run_of(shape: tuple[int, ...]) -> StillsRun:
    spots = [(k, v) for k, v in SPOTS.items() if k.startswith("spotfinder")]
    parameters = with_assignments(StillsParameters(), spots)
    experiment = Experiment(
        identifier="a", run="a", beam=Beam(wavelength=WAVELENGTH), detector=panels()
    )
    return stills_run(experiment, (shape[0], shape[1], shape[2]), parameters)


def assert_same(a: StillsPart, b: StillsPart) -> None:
    for name in ("stills", "spots", "indexed", "observations", "integrated"):
        one, other = getattr(a, name), getattr(b, name)
        assert one.keys() == other.keys()
        for column in one:
            np.testing.assert_array_equal(one[column], other[column], err_msg=column)


def lazy_run(frames: NDArray[Any], block: int, bad: tuple[int, ...] = ()) -> RunOfFrames:
    return RunOfFrames(marked(frames, block, bad), run_of(frames.shape))


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_blocks_give_the_result_of_the_whole_run(block: int) -> None:
    frames = EVENTS.photons
    whole = process_events(EventFrames(0, frames), run_of(frames.shape), KNOWN)
    assert np.array_equal(whole.stills["indexed"], EVENTS.is_hit)
    (lazy,), _ = process_stills([lazy_run(frames, block)], KNOWN)
    n = -(-len(frames) // block)
    assert n_tasks(lazy) == 2 + 3 + 2 + n + n_folds(n, records=True)
    with config.set(scheduler="synchronous"), Results() as seen:
        assert_same(lazy.compute(), whole)
    assert not seen.frames


@pytest.mark.parametrize("block", [1, 2, 5])
@pytest.mark.parametrize("known", [KNOWN, None])
def test_stored_spots_are_indexed_and_integrated(block: int, known: KnownCell | None) -> None:
    frames = EVENTS.photons
    run, whole = (
        lazy_run(frames, block),
        process_events(EventFrames(0, frames), run_of(frames.shape), KNOWN),
    )
    spots = replace(whole, indexed=None, observations=None, integrated=None)
    again, cells = resume_stills([run], [delayed(spots, traverse=False)], known)
    n = -(-len(frames) // block)
    if known is not None:
        assert n_tasks(again[0]) == 1 + 2 + 1 + 2 + 2 * n + n_folds(n, records=True)
    with config.set(scheduler="synchronous"), Results() as seen:
        (found,) = dask.compute(*again)
    assert not seen.frames
    assert (cells is None) == (known is not None)
    if known is not None:
        assert_same(found, whole)
    else:
        assert np.array_equal(found.stills["indexed"], EVENTS.is_hit)
        assert found.observations is not None
    (indexed,), _ = resume_stills([run], [delayed(spots, traverse=False)], KNOWN, integrate=False)
    part = indexed.compute(scheduler="synchronous")
    assert part.observations is None
    assert np.array_equal(part.stills["indexed"], EVENTS.is_hit)


def test_a_frame_that_cannot_be_read_to_integrate_is_a_problem() -> None:
    frames = EVENTS.photons
    whole = process_events(EventFrames(0, frames), run_of(frames.shape), KNOWN)
    bad = int(np.flatnonzero(EVENTS.is_hit)[1])
    (again,), _ = resume_stills(
        [lazy_run(frames, 2, bad=(bad, 1))], [delayed(whole, traverse=False)], KNOWN
    )
    part = again.compute(scheduler="synchronous")
    # the other that cannot be read holds no crystal
    assert [(p["image"], p["step"]) for p in part.problems] == [(bad + 1, "integrate")]
    assert part.stills["indexed"][bad]
    assert bad not in np.floor(part.observations["z"]).astype(int)
    assert len(part.observations["z"]) > 0


def test_a_run_of_many_events_is_few_tasks() -> None:
    frames = np.broadcast_to(EVENTS.photons[0], (100_000, *EVENTS.photons.shape[1:]))
    reader = MemoryReader(frames, bad=(0, 99_999))
    with config.set(scheduler=refuse):
        array = lazy_frames(reader, unreadable="mark")
        (lazy,), _ = process_stills([RunOfFrames(array, run_of(reader.shape))], KNOWN)
    assert n_tasks(lazy) < 4000
