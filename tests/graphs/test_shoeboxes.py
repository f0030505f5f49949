"""Frames read once more for what is around spots: the same as in memory, however they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.frame_readers import MemoryReader, Results, marked, n_tasks, refuse
from support.shoebox_examples import check_shoeboxes
from support.spot_examples import experiment_for, spotty_frames

from dxdask import spotfinding
from dxdask.graphs import spots
from dxdask.graphs.fold import n_folds
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters
from dxdask.storage.frames.lazy import lazy_frames

FRAMES = spotty_frames()
EXPERIMENT = experiment_for(FRAMES, first_image=101)
PARAMETERS = SpotfinderParameters.model_validate(
    {
        "output": {"shoeboxes": True},
        "per_image_statistics": True,
        "filter": {
            "max_separation": 4.0,
            "background_gradient": {"filter": True, "gradient_cutoff": 3.0},
            "spot_density": {"filter": True},
        },
    }
)
EXPECTED = spotfinding.find_spots(FRAMES, EXPERIMENT, None, PARAMETERS)


def chunked(frames: NDArray[Any], chunks: int | tuple[int, ...]) -> da.Array:
    array: da.Array = da.from_array(frames, chunks=(chunks, -1, -1))
    return array


def assert_expected(result: StepResult) -> None:
    for mine, others in (
        (result.reflections, EXPECTED.reflections),
        (result.arrays, EXPECTED.arrays),
    ):
        assert list(mine) == list(others)
        for name in mine:
            assert mine[name].dtype == others[name].dtype
            np.testing.assert_array_equal(mine[name], others[name], err_msg=name)
    assert result.tables == EXPECTED.tables
    assert result.messages == EXPECTED.messages


def test_every_parameter_acts() -> None:
    plain = spotfinding.find_spots(FRAMES, EXPERIMENT)
    assert set(EXPECTED.arrays) - set(plain.arrays) == {
        "shoebox_offsets", "shoebox_value", "shoebox_mask"
    }  # fmt: skip
    assert {t.name for t in EXPECTED.tables} - {t.name for t in plain.tables} == {
        "image_statistics"
    }
    filtered = [line for line in EXPECTED.messages if line.startswith("Filtered")]
    assert [line.split(" by ")[1] for line in filtered] == [
        "peak-centroid distance", "background gradient", "spot density"
    ]  # fmt: skip
    counts = [int(line.split()[1]) for line in filtered]
    assert counts[0] > counts[1] == len(EXPECTED.reflections["x"]) > 5
    check_shoeboxes(EXPECTED, FRAMES, EXPERIMENT, np.ones(FRAMES.shape, bool))


@settings(max_examples=12)
@given(
    cuts=st.sets(st.integers(1, 22)),
    fan_in=st.integers(2, 5),
    scheduler=st.sampled_from(["synchronous", "threads"]),
)
def test_cuts_do_not_show(cuts: set[int], fan_in: int, scheduler: str) -> None:
    chunks = tuple(np.diff([0, *sorted(cuts), 23]).tolist())
    lazy = spots.find_spots(chunked(FRAMES, chunks), EXPERIMENT, None, PARAMETERS, fan_in=fan_in)
    assert_expected(lazy.compute(scheduler=scheduler))


@dataclass(frozen=True)
class Counted(MemoryReader):
    """A reader that keeps under which name it was read."""

    name: str = ""
    reads: ClassVar[list[str]] = []

    def read(self, first: int, last: int) -> NDArray[Any]:
        self.reads.append(self.name)
        return super().read(first, last)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return (self.name, *super().__dask_tokenize__())


def test_frames_may_be_read_from_elsewhere() -> None:
    """As where a run is imported on the way: the files once, then the store, in other blocks."""
    Counted.reads.clear()
    files = lazy_frames(Counted(FRAMES, name="files"), 4, unreadable="mark")
    store = lazy_frames(Counted(FRAMES, name="store"), 7, unreadable="mark")
    lazy = spots.find_spots(files, EXPERIMENT, None, PARAMETERS, stored=store)
    assert_expected(lazy.compute(scheduler="synchronous"))
    assert Counted.reads == ["files"] * 6 + ["store"] * 4
    Counted.reads.clear()
    spots.find_spots(files, EXPERIMENT, None, stored=store).compute(scheduler="synchronous")
    assert Counted.reads == ["files"] * 6


def test_building_computes_nothing_and_costs_the_tasks_promised() -> None:
    with dask.config.set(scheduler=refuse):
        once = spots.find_spots(marked(FRAMES, 2), EXPERIMENT, fan_in=3)
        twice = spots.find_spots(
            marked(FRAMES, 2), EXPERIMENT, None, PARAMETERS, stored=marked(FRAMES, 3), fan_in=3
        )
    # of one reader, which is in the graph already
    assert n_tasks(twice) == n_tasks(once) + 3 + 8 + n_folds(8, 3, records=True)


@pytest.mark.parametrize("make", [chunked, marked])
def test_no_task_returns_frames(make: Any) -> None:
    lazy = spots.find_spots(make(FRAMES, 4), EXPERIMENT, None, PARAMETERS)
    with dask.config.set(scheduler="synchronous"), Results() as seen:
        lazy.compute()
    assert len(seen.values) > 10
    assert not seen.frames


@pytest.mark.parametrize("n", [1, 5])
def test_a_frame_that_cannot_be_read_again_is_a_problem(n: int) -> None:
    store = marked(FRAMES, n, bad=(6,))
    lazy = spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, None, PARAMETERS, stored=store)
    result = lazy.compute(scheduler="synchronous")
    (problem,) = result.problems
    assert (problem["image"], problem["reason"]) == (107, "ValueError: truncated chunk")
    assert len(result.reflections["x"]) > 5
