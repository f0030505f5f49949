"""The graph of stills: blocks read into one memory, few tasks, nothing computed to build it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from dask import config
from numpy.typing import NDArray
from support.made_up_stills import CELL, panels
from support.painted_stills import WAVELENGTH
from support.still_runs import SPOTS, events

from dxdask.graphs.blocked import BlockedFrames
from dxdask.graphs.stills.events import EventFrames, process_events
from dxdask.graphs.stills.parameters import StillsParameters
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.process import RunOfFrames, process_stills
from dxdask.graphs.stills.run import StillsRun, stills_run
from dxdask.indexing.stills import KnownCell
from dxdask.models import Beam, Experiment
from dxdask.parameters.assignments import with_assignments

KNOWN = KnownCell.of(CELL, "P43212")
EVENTS = events("x.xx.")


@dataclass(frozen=True)
class Recorded:
    """A reader of frames in memory, which fills the memory it is given."""

    frames: NDArray[np.int32]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.frames.dtype

    def __dask_tokenize__(self) -> str:
        return "recorded"

    def read(self, first: int, last: int) -> NDArray[np.int32]:
        return self.frames[first:last].copy()

    def read_into(self, first: int, last: int, out: NDArray[np.int32]) -> None:
        out[:] = self.frames[first:last]


class NeverRead(Recorded):
    """As many events as wanted, which nothing may read."""

    def read(self, first: int, last: int) -> NDArray[np.int32]:
        raise AssertionError(f"frames {first} to {last} are read to build a graph")


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


@pytest.mark.parametrize("block", [1, 2, 3])
def test_blocks_read_into_one_memory_give_what_the_whole_gives(block: int) -> None:
    frames = EVENTS.photons
    run = run_of(frames.shape)
    whole = process_events([EventFrames(0, frames)], run, KNOWN)
    assert np.array_equal(whole.stills["indexed"], EVENTS.is_hit)
    runs = [RunOfFrames(BlockedFrames(Recorded(frames), block), run)]
    (lazy,), _ = process_stills(runs, KNOWN)
    with config.set(scheduler="synchronous"):
        assert_same(lazy.compute(), whole)


def test_a_run_of_many_events_is_few_tasks() -> None:
    reader = NeverRead(np.broadcast_to(EVENTS.photons[0], (100_000, *EVENTS.photons.shape[1:])))
    runs = [RunOfFrames(BlockedFrames(reader, 8), run_of(reader.shape))]
    (lazy,), _ = process_stills(runs, KNOWN)
    assert len(dict(lazy.__dask_graph__())) < 1500
