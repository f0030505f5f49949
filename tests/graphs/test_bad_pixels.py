"""Bad pixels as a graph are those found in memory, however the frames are cut and folded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.detector_examples import SHAPE, bad_detector
from support.frame_readers import MemoryReader, Results, marked, n_tasks, refuse

from dxdask import analysis
from dxdask.analysis import BadPixelParameters
from dxdask.errors import ChunkError, InputError
from dxdask.graphs import bad_pixels
from dxdask.graphs.fold import n_folds
from dxdask.models import Detector, ExperimentList, Panel, Scan
from dxdask.results import StepResult
from dxdask.storage.frames.lazy import lazy_frames

EXAMPLES = [bad_detector(n=n, seed=seed) for n, seed in ((30, 1), (17, 2))]
FRAMES = [e.frames for e in EXAMPLES]
MASKS = [e.mask for e in EXAMPLES]
EXPERIMENTS = ExperimentList.of(
    [replace(e.experiment, run=run) for e, run in zip(EXAMPLES, "ab", strict=True)]
)
EXPECTED = analysis.find_bad_pixels(FRAMES, EXPERIMENTS, MASKS)


def chunked(chunks: Any, frames: Any = FRAMES) -> list[da.Array]:
    return [da.from_array(f, chunks=(chunks, -1, -1)) for f in frames]


def of_readers(block: int) -> list[da.Array]:
    return [marked(f, block) for f in FRAMES]


def assert_equal(result: StepResult, expected: StepResult) -> None:
    assert result.tables == expected.tables
    assert result.messages == expected.messages
    assert result.problems == expected.problems
    assert list(result.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(result.arrays[name], array)


@pytest.mark.parametrize("make", [chunked, of_readers])
@pytest.mark.parametrize("n", [1, 4, 30])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_equals_memory_for_any_chunks(n: int, scheduler: str, make: Any) -> None:
    lazy = bad_pixels.find_bad_pixels(make(n), EXPERIMENTS, MASKS, fan_in=3)
    assert_equal(lazy.compute(scheduler=scheduler), EXPECTED)


@settings(max_examples=10)
@given(
    cuts=st.sets(st.integers(1, 29)),
    fan_in=st.integers(2, 5),
    combine=st.sampled_from(["joint", "any", "all", "each"]),
    images=st.sets(st.integers(11, 40), min_size=1),
)
def test_cuts_do_not_show(cuts: set[int], fan_in: int, combine: str, images: set[int]) -> None:
    frames, only = FRAMES[0], ExperimentList.of([EXPERIMENTS[0]])
    parameters = BadPixelParameters.model_validate(
        {"combine": combine, "images": sorted(images), "min_images": 5}
    )
    expected = analysis.find_bad_pixels([frames], only, MASKS[:1], parameters)
    chunks = tuple(np.diff([0, *sorted(cuts), 30]).tolist())
    lazy = bad_pixels.find_bad_pixels(
        chunked(chunks, [frames]), only, MASKS[:1], parameters, fan_in=fan_in
    )
    assert_equal(lazy.compute(scheduler="synchronous"), expected)


@pytest.mark.parametrize("combine", ["joint", "any", "all", "each"])
def test_runs_are_combined_as_in_memory(combine: str) -> None:
    parameters = BadPixelParameters.model_validate({"combine": combine})
    expected = analysis.find_bad_pixels(FRAMES, EXPERIMENTS, MASKS, parameters)
    lazy = bad_pixels.find_bad_pixels(chunked(8), EXPERIMENTS, MASKS, parameters)
    assert_equal(lazy.compute(scheduler="synchronous"), expected)


def test_building_computes_nothing_and_costs_the_tasks_promised() -> None:
    with dask.config.set(scheduler=refuse):
        lazy = bad_pixels.find_bad_pixels(of_readers(4), EXPERIMENTS, MASKS, fan_in=3)
        apart = bad_pixels.find_bad_pixels(
            of_readers(4),
            EXPERIMENTS,
            MASKS,
            BadPixelParameters(combine="each", image_range=(11, 18)),
        )
    parts = 8 + 5 + n_folds(8, 3, records=True) + n_folds(5, 3, records=True)
    assert n_tasks(lazy) == 3 + 2 * (5 + 2) + parts + 1 + n_folds(2, 3)
    # the images used are the same of both, and so one entry
    assert n_tasks(apart) == 3 + 2 * (5 + 2) - 1 + 2 * (2 + n_folds(2, 3)) + 2


def test_a_long_run_makes_few_tasks() -> None:
    shape = (18000, 3000, 3000)
    reader = MemoryReader(np.broadcast_to(np.zeros(1, np.int32), shape))
    panel = Panel(image_size=(3000, 3000))
    models = replace(
        EXPERIMENTS[0],
        detector=Detector(panels=(panel,)),
        scan=Scan(image_range=(1, 18000), oscillation=(0.0, 0.0)),
    )
    with dask.config.set(scheduler=refuse):
        frames = [lazy_frames(reader, unreadable="mark")]
        lazy = bad_pixels.find_bad_pixels(frames, ExperimentList.of([models]))
    assert n_tasks(lazy) <= 5000


def test_no_task_returns_frames() -> None:
    lazy = bad_pixels.find_bad_pixels(of_readers(4), EXPERIMENTS, MASKS)
    with dask.config.set(scheduler="synchronous"), Results() as seen:
        lazy.compute()
    values = [v.item() if isinstance(v, np.ndarray) and v.size == 1 else v for v in seen.values]
    sums = [r for r in values if hasattr(r, "panels")]
    assert len(sums) > 20
    n_bytes = {
        sum(a.nbytes for p in r.panels for a in (p.counts, p.total, p.constant)) for r in sums
    }
    assert n_bytes == {18 * SHAPE[0] * SHAPE[1]}
    assert not seen.frames


def test_a_frame_that_cannot_be_read_is_a_problem() -> None:
    only = ExperimentList.of([EXPERIMENTS[0]])
    lazy = marked(FRAMES[0], 5, bad=(6,))
    result = bad_pixels.find_bad_pixels([lazy], only, MASKS[:1]).compute(scheduler="synchronous")
    assert [(p["run"], p["image"], p["reason"]) for p in result.problems] == [
        ("a", 17, "ValueError: truncated chunk")
    ]
    others = BadPixelParameters(images=tuple(i for i in range(11, 41) if i != 17))
    expected = analysis.find_bad_pixels(FRAMES[:1], only, MASKS[:1], others)
    assert result.tables == expected.tables


def test_bad_input_is_refused_while_building() -> None:
    with pytest.raises(ChunkError, match="rechunk"):
        bad_pixels.find_bad_pixels(
            [da.from_array(f, chunks=(4, 20, -1)) for f in FRAMES], EXPERIMENTS
        )
    with pytest.raises(InputError, match="images 11 to 27"):
        bad_pixels.find_bad_pixels(
            chunked(5), EXPERIMENTS, None, BadPixelParameters(image_range=(11, 30))
        )
