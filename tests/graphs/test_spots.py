"""Spot finding as a graph equals that in memory, however the frames are cut and the tasks run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import pytest
from dask.utils import ensure_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.frame_readers import MemoryReader, Results, marked, n_tasks, refuse, stored
from support.spot_examples import experiment_for, spotty_frames

from dxdask import spotfinding
from dxdask.errors import ChunkError, InputError
from dxdask.graphs import spots
from dxdask.graphs.fold import n_folds
from dxdask.models.pixel_maps import PixelMaps
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters
from dxdask.storage.frames.lazy import lazy_frames

FRAMES = spotty_frames()
EXPERIMENT = experiment_for(FRAMES, first_image=101)
MASK = np.ones(FRAMES.shape[1:], bool)
MASK[:, 30:33] = False


def assert_equal(result: StepResult, expected: StepResult) -> None:
    for mine, others in (
        (result.reflections, expected.reflections),
        (result.arrays, expected.arrays),
    ):
        assert list(mine) == list(others)
        for name in mine:
            assert mine[name].dtype == others[name].dtype
            np.testing.assert_array_equal(mine[name], others[name], err_msg=name)
    assert result.tables == expected.tables
    assert result.messages == expected.messages
    assert result.problems == expected.problems
    assert result.experiments == expected.experiments


def chunked(frames: NDArray[Any], chunks: int | tuple[int, ...]) -> da.Array:
    array: da.Array = da.from_array(frames, chunks=(chunks, -1, -1))
    return array


@pytest.mark.parametrize("kind", ["array", "reader", "store"])
@pytest.mark.parametrize("n", [1, 3, 7, 23])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_equals_memory_for_any_chunks(n: int, scheduler: str, kind: str, tmp_path: Path) -> None:
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK)
    assert len(expected.reflections["x"]) > 20
    assert (np.diff(expected.reflections["bbox"][:, 4:]) > 5).any()
    frames = {
        "array": lambda: chunked(FRAMES, n),
        "reader": lambda: marked(FRAMES, n),
        "store": lambda: stored(tmp_path, FRAMES, n),
    }[kind]()
    lazy = spots.find_spots(frames, EXPERIMENT, MASK, fan_in=2)
    assert_equal(lazy.compute(scheduler=scheduler), expected)


@settings(max_examples=15)
@given(cuts=st.sets(st.integers(1, 22)), fan_in=st.integers(2, 5), two_d=st.booleans())
def test_cuts_do_not_show(cuts: set[int], fan_in: int, two_d: bool) -> None:
    chunks = tuple(np.diff([0, *sorted(cuts), 23]).tolist())
    parameters = SpotfinderParameters.model_validate(
        {"force_2d": two_d, "filter": {"min_spot_size": 1}, "scan_range": [[102, 109], [113, 121]]}
    )
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, None, parameters)
    lazy = spots.find_spots(chunked(FRAMES, chunks), EXPERIMENT, None, parameters, fan_in=fan_in)
    assert_equal(lazy.compute(scheduler="synchronous"), expected)


@settings(max_examples=15)
@given(
    block=st.integers(1, 23),
    fan_in=st.integers(2, 5),
    scheduler=st.sampled_from(["synchronous", "threads"]),
    workers=st.integers(1, 3),
)
def test_blocks_of_a_reader_do_not_show(
    block: int, fan_in: int, scheduler: str, workers: int
) -> None:
    parameters = SpotfinderParameters(compute_mean_background=True, write_hot_mask=True)
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, parameters)
    lazy = spots.find_spots(marked(FRAMES, block), EXPERIMENT, MASK, parameters, fan_in=fan_in)
    n = -(-23 // block)
    assert n_tasks(lazy) == 7 + 2 + n + n_folds(n, fan_in, records=True)
    assert_equal(lazy.compute(scheduler=scheduler, num_workers=workers), expected)


@pytest.mark.parametrize("shape", [(18000, 4362, 4148), (18000, 3000, 3000), (18000, 1060, 1024)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_a_long_run_makes_few_tasks(shape: tuple[int, int, int], dtype: Any) -> None:
    reader = MemoryReader(np.broadcast_to(np.zeros(1, dtype), shape), bad=tuple(range(18000)))
    experiment = experiment_for(reader, width=0.01)
    frames = lazy_frames(reader, unreadable="mark")
    with dask.config.set(scheduler=refuse):
        lazy = spots.find_spots(frames, experiment)
    few = 5000 if shape[1] <= 3000 or dtype is np.uint16 else 7000
    assert len(ensure_dict(lazy.dask)) <= few


def test_building_computes_nothing_and_costs_the_tasks_promised() -> None:
    with dask.config.set(scheduler=refuse):
        lazy = spots.find_spots(chunked(FRAMES, 2), EXPERIMENT, MASK, fan_in=3)
        half = spots.find_spots(
            chunked(FRAMES, 2), EXPERIMENT, MASK, SpotfinderParameters(scan_range=((101, 110),))
        )
    # blocks in memory are entries of the graph
    assert n_tasks(lazy) == 7 + 12 + 12 + n_folds(12, 3, records=True)
    assert n_tasks(half) == 7 + 5 + 5 + n_folds(5, 8, records=True)
    gains = spots.find_spots(
        marked(FRAMES, 2), EXPERIMENT, MASK, maps=PixelMaps(gain=MASK + 1.0), fan_in=3
    )
    assert n_tasks(gains) == 8 + 2 + 12 + n_folds(12, 3, records=True)


@pytest.mark.parametrize("kind", ["array", "reader", "file"])
def test_no_task_returns_frames(kind: str) -> None:
    frames = {
        "array": lambda: chunked(FRAMES, 4),
        "reader": lambda: marked(FRAMES, 4),
        "file": lambda: da.from_array(File(), chunks=(4, -1, -1), name=False),
    }[kind]()
    lazy = spots.find_spots(frames, EXPERIMENT, MASK)
    with dask.config.set(scheduler="synchronous"), Results() as seen:
        lazy.compute()
    assert len(seen.values) > 10
    assert not seen.frames


class File:
    """Frames as h5py shows them."""

    shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, 3

    def __getitem__(self, where: Any) -> NDArray[Any]:
        return FRAMES[where]


@dataclass(frozen=True)
class Watched(MemoryReader):
    """A reader that keeps which frames were read."""

    frames_read: ClassVar[list[int]] = []

    def read(self, first: int, last: int) -> NDArray[Any]:
        self.frames_read.extend(range(first, last))
        return super().read(first, last)


@pytest.mark.parametrize("n", [1, 5])
def test_a_frame_that_cannot_be_read_is_a_problem(n: int) -> None:
    lazy = marked(FRAMES, n, bad=(6, 7, 22))
    result = spots.find_spots(lazy, EXPERIMENT, MASK).compute(scheduler="synchronous")
    assert [(p["image"], p["reason"]) for p in result.problems] == [
        (i, "ValueError: truncated chunk") for i in (107, 108, 123)
    ]
    assert {p["step"] for p in result.problems} == {"find_spots"}
    first = spotfinding.find_spots(
        FRAMES[:6], experiment_for(FRAMES[:6], first_image=101), MASK
    ).reflections
    rows = result.reflections["bbox"][:, 5] <= 106
    np.testing.assert_array_equal(result.reflections["bbox"][rows], first["bbox"])
    assert (result.reflections["z"] > 108).any()


def test_a_gain_map_is_cut_to_the_panels() -> None:
    gain = np.random.default_rng(2).uniform(0.5, 4.0, FRAMES.shape[1:])
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, maps=PixelMaps(gain=gain))
    plain = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK)
    assert len(expected.reflections["x"]) != len(plain.reflections["x"])
    lazy = spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, MASK, maps=PixelMaps(gain=gain))
    assert_equal(lazy.compute(scheduler="threads"), expected)
    even = np.full(FRAMES.shape[1:], 2.0)
    two = SpotfinderParameters.model_validate({"threshold": {"dispersion": {"gain": 2.0}}})
    np.testing.assert_array_equal(
        spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, maps=PixelMaps(gain=even)).reflections[
            "bbox"
        ],
        spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, two).reflections["bbox"],
    )


def test_a_range_of_images_reads_no_other() -> None:
    Watched.frames_read.clear()
    parameters = SpotfinderParameters(scan_range=((104, 107), (115, 115)))
    frames = lazy_frames(Watched(FRAMES), 2, unreadable="mark")
    spots.find_spots(frames, EXPERIMENT, MASK, parameters).compute(scheduler="synchronous")
    assert sorted(Watched.frames_read) == [2, 3, 4, 5, 6, 7, 14, 15]


def test_bad_input_is_refused_while_building() -> None:
    wide = SpotfinderParameters(region_of_interest=(0, 57, 0, 48))
    with pytest.raises(InputError, match="region_of_interest"):
        spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, None, wide)
    with pytest.raises(InputError, match="mask of run is"):
        spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, MASK[1:])
    with pytest.raises(ChunkError, match="rechunk"):
        spots.find_spots(da.from_array(FRAMES, chunks=(4, 20, -1)), EXPERIMENT)
    with pytest.raises(InputError, match="all frames of the scan"):
        spots.find_spots(chunked(FRAMES[:5], 5), EXPERIMENT)
    with pytest.raises(InputError, match="image number"):
        spots.find_spots(
            chunked(FRAMES, 5), EXPERIMENT, None, SpotfinderParameters(scan_range=((1, 5),))
        )
