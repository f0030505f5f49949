"""The mean of some images equals that in memory, however the frames are cut."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from support.frame_readers import marked, n_tasks, refuse
from support.spot_examples import experiment_for, spotty_frames

from dxdask.errors import ChunkError, InputError
from dxdask.graphs.fold import n_folds
from dxdask.graphs.mean_image import mean_image

FRAMES = spotty_frames((23, 48, 56))
EXPERIMENT = experiment_for(FRAMES, first_image=101)
MASK = np.ones(FRAMES.shape[1:], bool)
MASK[:, 30:33] = False
CHOSEN = np.rint(np.linspace(0, 22, 5)).astype(int)


def chunked(n: int) -> da.Array:
    return da.from_array(FRAMES, chunks=(n, -1, -1))


def of_reader(n: int) -> da.Array:
    return marked(FRAMES, n)


def expected(numbers: Any) -> Any:
    low, high = EXPERIMENT.detector[0].trusted_range
    part = FRAMES[numbers].astype(np.float64)
    part[(part <= low) | (part >= high)] = np.nan
    mean = np.nansum(part, axis=0) / np.isfinite(part).sum(axis=0)
    return np.where(MASK, mean, np.nan)


@pytest.mark.parametrize("make", [chunked, of_reader])
@pytest.mark.parametrize("n", [1, 3, 7, 23])
def test_equals_memory_for_any_chunks(n: int, make: Any) -> None:
    lazy = mean_image(make(n), EXPERIMENT, MASK, max_images=5, fan_in=2)
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), expected(CHOSEN))


def test_building_computes_nothing_and_reads_only_the_blocks_needed() -> None:
    with dask.config.set(scheduler=refuse):
        lazy = mean_image(of_reader(2), EXPERIMENT, MASK, max_images=5, fan_in=3)
    n = len({int(i) // 2 for i in CHOSEN})
    assert n_tasks(lazy) == 5 + 2 + n + n_folds(n, 3, records=True)


def test_an_image_that_cannot_be_read_is_left_out() -> None:
    lazy = mean_image(marked(FRAMES, 6, bad=(22,)), EXPERIMENT, MASK, max_images=5)
    np.testing.assert_array_equal(lazy.compute(), expected(CHOSEN[:-1]))


def test_fractions_of_photons_are_added() -> None:
    frames = da.from_array(FRAMES + np.float32(0.5), chunks=(4, -1, -1))
    found = mean_image(frames, EXPERIMENT, MASK, max_images=23).compute()
    whole = mean_image(chunked(4), EXPERIMENT, MASK, max_images=23).compute()
    same = FRAMES.max(axis=0) + 1 < EXPERIMENT.detector[0].trusted_range[1]
    np.testing.assert_allclose(found[same], whole[same] + 0.5)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ChunkError, match="rechunk"):
        mean_image(da.from_array(FRAMES, chunks=(4, 20, -1)), EXPERIMENT, max_images=3)
    with pytest.raises(InputError, match="check the mask"):
        mean_image(chunked(4), EXPERIMENT, MASK & False, max_images=3).compute()
