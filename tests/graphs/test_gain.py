"""The gain as a graph equals that in memory, however the frames are cut."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from support.frame_readers import marked, n_tasks, refuse
from support.spot_examples import experiment_for, spotty_frames

from dxdask import analysis
from dxdask.analysis import GainParameters
from dxdask.errors import ChunkError, InputError
from dxdask.graphs import gain
from dxdask.graphs.fold import n_folds

FRAMES = spotty_frames((23, 48, 56))
EXPERIMENT = experiment_for(FRAMES, first_image=101)
MASK = np.ones(FRAMES.shape[1:], bool)
MASK[:, 30:33] = False
PARAMETERS = GainParameters(kernel_size=(3, 3), max_images=9)


def chunked(n: int) -> da.Array:
    return da.from_array(FRAMES, chunks=(n, -1, -1))


def of_reader(n: int) -> da.Array:
    return marked(FRAMES, n)


@pytest.mark.parametrize("make", [chunked, of_reader])
@pytest.mark.parametrize("n", [1, 3, 7, 23])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_equals_memory_for_any_chunks(n: int, scheduler: str, make: Any) -> None:
    expected = analysis.estimate_gain(FRAMES, EXPERIMENT, MASK, PARAMETERS)
    lazy = gain.estimate_gain(make(n), EXPERIMENT, MASK, PARAMETERS, fan_in=2)
    result = lazy.compute(scheduler=scheduler)
    assert result.tables == expected.tables
    assert result.messages == expected.messages


def test_building_computes_nothing_and_reads_only_the_blocks_needed() -> None:
    with dask.config.set(scheduler=refuse):
        parameters = GainParameters(max_images=5)
        lazy = gain.estimate_gain(of_reader(2), EXPERIMENT, MASK, parameters, fan_in=3)
    n = len({int(i) // 2 for i in np.rint(np.linspace(0, 22, 5))})
    assert n_tasks(lazy) == 6 + 2 + n + n_folds(n, 3, records=True)


def test_an_image_that_cannot_be_read_is_a_problem() -> None:
    lazy = marked(FRAMES, 6, bad=(22,))
    result = gain.estimate_gain(lazy, EXPERIMENT, MASK, PARAMETERS).compute()
    assert [(p["image"], p["reason"]) for p in result.problems] == [
        (123, "ValueError: truncated chunk")
    ]
    expected = analysis.estimate_gain(FRAMES, EXPERIMENT, MASK, PARAMETERS)
    assert result.table("images").rows[:-1] == expected.table("images").rows[:-1]


def test_bad_input_is_refused_while_building() -> None:
    with pytest.raises(ChunkError, match="rechunk"):
        gain.estimate_gain(da.from_array(FRAMES, chunks=(4, 20, -1)), EXPERIMENT)
    with pytest.raises(InputError, match="integers"):
        gain.estimate_gain(chunked(4).astype(complex), EXPERIMENT)
