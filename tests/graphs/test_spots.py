"""Spot finding as a graph equals that in memory, however the frames are cut and the tasks run."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import pytest
from dask.utils import ensure_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.spot_examples import experiment_for, spotty_frames

from dxdask import spotfinding
from dxdask.errors import ChunkError, InputError
from dxdask.graphs import frames as frames_module
from dxdask.graphs import spots
from dxdask.graphs.blocked import BlockedFrames
from dxdask.graphs.fold import n_folds
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters

FRAMES = spotty_frames()
EXPERIMENT = experiment_for(FRAMES, first_image=101)
MASK = np.ones(FRAMES.shape[1:], bool)
MASK[:, 30:33] = False


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("computed while building")


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


@pytest.mark.parametrize("n", [1, 3, 7, 23])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_equals_memory_for_any_chunks(n: int, scheduler: str) -> None:
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK)
    assert len(expected.reflections["x"]) > 20
    assert (np.diff(expected.reflections["bbox"][:, 4:]) > 5).any()
    lazy = spots.find_spots(chunked(FRAMES, n), EXPERIMENT, MASK, fan_in=2)
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
    cuts=st.sets(st.integers(1, 22)),
    few=st.integers(1, 9),
    fan_in=st.integers(2, 5),
    scheduler=st.sampled_from(["synchronous", "threads"]),
    workers=st.integers(1, 3),
)
def test_groups_do_not_show(
    cuts: set[int], few: int, fan_in: int, scheduler: str, workers: int
) -> None:
    chunks = tuple(np.diff([0, *sorted(cuts), 23]).tolist())
    parameters = SpotfinderParameters(compute_mean_background=True, write_hot_mask=True)
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames_module, "FEW_TASKS", few)
        patch.setattr(frames_module, "MANY_TASKS", few)
        frames = chunked(FRAMES, chunks)
        lazy = spots.find_spots(frames, EXPERIMENT, MASK, parameters, fan_in=fan_in)
        (graph,) = dask.optimize(lazy)
        n = min(len(chunks), few)
        assert len(ensure_dict(graph.dask)) == 5 + 2 * n + n_folds(n, fan_in)
        assert_equal(lazy.compute(scheduler=scheduler, num_workers=workers), expected)


@pytest.mark.parametrize("shape", [(18000, 4362, 4148), (18000, 1060, 1024)])
def test_a_long_run_makes_few_tasks(shape: tuple[int, int, int]) -> None:
    blank = Blank(shape)
    experiment = experiment_for(blank, width=0.01)
    with dask.config.set(scheduler=refuse):
        frames = BlockedFrames(blank, max(1, (1 << 25) // (2 * shape[1] * shape[2])))
        lazy = spots.find_spots(frames, experiment)
    assert len(ensure_dict(lazy.dask)) < 1200


def test_building_computes_nothing_and_costs_the_tasks_promised() -> None:
    with dask.config.set(scheduler=refuse):
        lazy = spots.find_spots(chunked(FRAMES, 2), EXPERIMENT, MASK, fan_in=3)
        half = spots.find_spots(
            chunked(FRAMES, 2), EXPERIMENT, MASK, SpotfinderParameters(scan_range=((101, 110),))
        )
    (graph,) = dask.optimize(lazy)
    assert len(ensure_dict(graph.dask)) == 5 + 2 * 12 + n_folds(12, 3)
    (graph,) = dask.optimize(half)
    assert len(ensure_dict(graph.dask)) == 5 + 2 * 5 + n_folds(5, 8)


def test_no_task_returns_frames() -> None:
    from dask.callbacks import Callback

    seen: list[Any] = []

    class Keep(Callback):
        def _posttask(self, key: Any, result: Any, *_: Any) -> None:
            seen.append(result)

    lazy = spots.find_spots(chunked(FRAMES, 4), EXPERIMENT, MASK)
    with dask.config.set(scheduler="synchronous"), Keep():
        lazy.compute()
    assert len(seen) > 10
    assert not [r for r in seen if isinstance(r, np.ndarray) and r.ndim == 3]


class Blank:
    """Frames of any number and size that are never read."""

    dtype, ndim = np.dtype(np.uint16), 3

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape

    def read(self, first: int, last: int) -> NDArray[Any]:
        raise AssertionError(f"frames {first} to {last} were read")


class Watched(Blank):
    """`FRAMES`, and which were read and how many earlier blocks were in memory then."""

    frames_read: ClassVar[list[int]] = []
    alive: ClassVar[list[int]] = []
    blocks: ClassVar[list[weakref.ref[Any]]] = []

    @classmethod
    def forget(cls) -> None:
        cls.frames_read, cls.alive, cls.blocks = [], [], []

    def read(self, first: int, last: int) -> NDArray[Any]:
        gc.collect()
        self.alive.append(sum(block() is not None for block in self.blocks))
        block = FRAMES[first:last].copy()
        self.blocks.append(weakref.ref(block))
        self.frames_read.extend(range(first, last))
        return block


class Broken:
    """Frames of a file of which some cannot be read."""

    shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, 3

    def __init__(self, bad: tuple[int, ...]) -> None:
        self.bad = bad

    def __getitem__(self, where: Any) -> NDArray[Any]:
        if any(i in self.bad for i in range(*where[0].indices(len(FRAMES)))):
            raise ValueError("truncated chunk")
        return FRAMES[where]


@pytest.mark.parametrize("n", [1, 5])
def test_a_frame_that_cannot_be_read_is_a_problem(n: int) -> None:
    lazy = da.from_array(Broken((6, 7, 22)), chunks=(n, -1, -1), name=False)
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


def test_an_ensemble_is_one_graph() -> None:
    runs = [FRAMES, spotty_frames(seed=9)]
    experiments = [replace(EXPERIMENT, run=name) for name in ("a", "b")]
    in_memory = [
        spotfinding.find_spots(f, e, MASK, experiment_index=i)
        for i, (f, e) in enumerate(zip(runs, experiments, strict=True))
    ]
    lazy = spots.combine(
        [
            spots.find_spots(chunked(f, 5), e, MASK, experiment_index=i)
            for i, (f, e) in enumerate(zip(runs, experiments, strict=True))
        ]
    )
    assert_equal(lazy.compute(scheduler="threads"), spotfinding.combine(in_memory))


@pytest.mark.slow
def test_only_one_block_is_in_memory_at_a_time() -> None:
    """A group of blocks is read one after the other, each let go before the next."""
    Watched.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames_module, "FEW_TASKS", 2)
        patch.setattr(frames_module, "MANY_TASKS", 2)
        frames = BlockedFrames(Watched(FRAMES.shape), 2)
        lazy = spots.find_spots(frames, EXPERIMENT, MASK)
        result = lazy.compute(scheduler="synchronous")
    assert_equal(result, spotfinding.find_spots(FRAMES, EXPERIMENT, MASK))
    assert sorted(Watched.frames_read) == list(range(23))
    assert Watched.alive == [0] * 12


def test_a_gain_map_is_cut_to_the_panels() -> None:
    gain = np.random.default_rng(2).uniform(0.5, 4.0, FRAMES.shape[1:])
    expected = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, gain_map=gain)
    plain = spotfinding.find_spots(FRAMES, EXPERIMENT, MASK)
    assert len(expected.reflections["x"]) != len(plain.reflections["x"])
    lazy = spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, MASK, gain_map=gain)
    assert_equal(lazy.compute(scheduler="threads"), expected)
    even = np.full(FRAMES.shape[1:], 2.0)
    two = SpotfinderParameters.model_validate({"threshold": {"dispersion": {"gain": 2.0}}})
    np.testing.assert_array_equal(
        spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, gain_map=even).reflections["bbox"],
        spotfinding.find_spots(FRAMES, EXPERIMENT, MASK, two).reflections["bbox"],
    )


def test_a_range_of_images_reads_no_other() -> None:
    Watched.forget()
    parameters = SpotfinderParameters(scan_range=((104, 107), (115, 115)))
    frames = BlockedFrames(Watched(FRAMES.shape), 2)
    spots.find_spots(frames, EXPERIMENT, MASK, parameters).compute(scheduler="synchronous")
    assert sorted(Watched.frames_read) == [2, 3, 4, 5, 6, 7, 14, 15]


def test_bad_input_is_told_while_building() -> None:
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
