"""Frames read once more for what is around spots: the same as in memory, however they are cut."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask.utils import ensure_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.shoebox_examples import check_shoeboxes
from support.spot_examples import experiment_for, spotty_frames

from dxdask import spotfinding
from dxdask.graphs import spots
from dxdask.graphs.fold import n_folds
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters

FRAMES = spotty_frames()
EXPERIMENT = experiment_for(FRAMES, first_image=101)
ASKED = SpotfinderParameters.model_validate(
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
EXPECTED = spotfinding.find_spots(FRAMES, EXPERIMENT, None, ASKED)


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("computed while building")


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
    lazy = spots.find_spots(chunked(FRAMES, chunks), EXPERIMENT, None, ASKED, fan_in=fan_in)
    assert_expected(lazy.compute(scheduler=scheduler))


def test_frames_may_be_read_from_elsewhere() -> None:
    """As where a run is imported on the way: the files once, then the store, in other blocks."""
    reads: list[str] = []

    class Frames:
        shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, 3

        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, where: Any) -> NDArray[Any]:
            if FRAMES[where].size:
                reads.append(self.name)
            return FRAMES[where]

    files = da.from_array(Frames("files"), chunks=(4, -1, -1), name=False)
    store = da.from_array(Frames("store"), chunks=(7, -1, -1), name=False)
    lazy = spots.find_spots(files, EXPERIMENT, None, ASKED, stored=store)
    assert_expected(lazy.compute(scheduler="synchronous"))
    assert reads == ["files"] * 6 + ["store"] * 4
    reads.clear()
    spots.find_spots(files, EXPERIMENT, None, stored=store).compute(scheduler="synchronous")
    assert reads == ["files"] * 6


def test_blocks_without_a_box_are_not_read_again() -> None:
    reads: list[int] = []
    frames = np.zeros((40, 30, 30), np.uint16)
    frames[21, 10:13, 10:13] = 50

    class Counted:
        shape, dtype, ndim = frames.shape, frames.dtype, 3

        def __getitem__(self, where: Any) -> NDArray[Any]:
            if frames[where].size:
                reads.append(where[0].start)
            return frames[where]

    store = da.from_array(Counted(), chunks=(5, -1, -1), name=False)
    lazy = spots.find_spots(
        chunked(frames, 9), experiment_for(frames), None, ASKED, stored=store
    )  # fmt: skip
    result = lazy.compute(scheduler="synchronous")
    assert len(result.reflections["x"]) == 1
    assert reads == [20]


def test_building_computes_nothing_and_costs_the_tasks_promised() -> None:
    with dask.config.set(scheduler=refuse):
        once = spots.find_spots(chunked(FRAMES, 2), EXPERIMENT, fan_in=3)
        twice = spots.find_spots(
            chunked(FRAMES, 2), EXPERIMENT, None, ASKED, stored=chunked(FRAMES + 0, 3), fan_in=3
        )
    n = [len(ensure_dict(dask.optimize(lazy)[0].dask)) for lazy in (once, twice)]
    assert n[1] == n[0] + 2 + 2 * 8 + n_folds(8, 3)


def test_no_task_returns_frames() -> None:
    from dask.callbacks import Callback

    seen: list[Any] = []

    class Keep(Callback):
        def _posttask(self, key: Any, result: Any, *_: Any) -> None:
            seen.append(result)

    lazy = spots.find_spots(chunked(FRAMES, 4), EXPERIMENT, None, ASKED)
    with dask.config.set(scheduler="synchronous"), Keep():
        lazy.compute()
    assert not [r for r in seen if isinstance(r, np.ndarray) and r.ndim == 3]


class Fails:
    """Frames that can be read no more."""

    shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, 3

    def __getitem__(self, where: Any) -> NDArray[Any]:
        if 6 in range(*where[0].indices(len(FRAMES))):
            raise ValueError("truncated chunk")
        return FRAMES[where]


@pytest.mark.parametrize("n", [1, 5])
def test_a_frame_that_cannot_be_read_again_is_a_problem(n: int) -> None:
    store = da.from_array(Fails(), chunks=(n, -1, -1), name=False)
    lazy = spots.find_spots(chunked(FRAMES, 5), EXPERIMENT, None, ASKED, stored=store)
    result = lazy.compute(scheduler="synchronous")
    (problem,) = result.problems
    assert (problem["image"], problem["reason"]) == (107, "ValueError: truncated chunk")
    assert len(result.reflections["x"]) > 5
