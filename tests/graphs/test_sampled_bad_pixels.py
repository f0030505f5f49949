"""Bad pixels of stills as a graph: the same for any blocks, without frames that are unreadable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dask import config
from support.frame_readers import Results, marked, n_tasks, refuse
from support.spot_examples import experiment_for

from dxdask.graphs.fold import n_folds
from dxdask.graphs.literal import literal
from dxdask.graphs.sampled_bad_pixels import sampled_bad_pixels
from dxdask.graphs.spots import find_spots as lazy_find_spots
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.sampled_bad_pixels import sampled_images

pytestmark = pytest.mark.jit

HOT, DEAD = (20, 31), (40, 40)
FRAMES = np.random.default_rng(0).poisson(4.0, (30, 60, 70)).astype(np.uint16)
FRAMES[:, HOT[0], HOT[1]] += 300
FRAMES[:, DEAD[0], DEAD[1]] = 0
STILLS = experiment_for(FRAMES, width=0.0)


@pytest.mark.parametrize("block", [1, 4, 30])
def test_blocks_and_frames_that_cannot_be_read_change_nothing(block: int) -> None:
    masks = (np.ones(FRAMES.shape[1:], np.bool_),)
    given = [literal(v) for v in (STILLS, masks, SpotfinderParameters())]
    with config.set(scheduler=refuse):
        lazy = sampled_bad_pixels(marked(FRAMES, block, (3, 17)), *given)
    n = -(-len(FRAMES) // block)
    assert n_tasks(lazy) == 3 + 3 + 2 + n + n_folds(n, records=True)
    with config.set(scheduler="synchronous"), Results() as seen:
        found = lazy.compute()
    assert not seen.frames
    assert found.n_images == 28
    assert sorted(map(tuple, np.argwhere(~found.mask).tolist())) == [HOT, DEAD]
    assert found.bad.reason.tolist() == [0, 2]


@pytest.mark.parametrize("most", [10, 200])
@pytest.mark.parametrize("block", [1, 7])
def test_spots_are_those_found_in_memory(block: int, most: int) -> None:
    parameters = SpotfinderParameters(bad_pixel_images=most)
    result = lazy_find_spots(marked(FRAMES, block, ()), STILLS, None, parameters).compute(
        scheduler="synchronous"
    )
    expected = find_spots(FRAMES, STILLS, None, parameters)
    assert result.messages == expected.messages
    assert f" by {min(most, 30)} images; " in "\n".join(result.messages)
    for one, other in (
        (result.arrays, expected.arrays),
        (result.reflections, expected.reflections),
    ):
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_sample_is_spread_over_the_images_used() -> None:
    parameters = SpotfinderParameters(bad_pixel_images=5)
    assert sampled_images(STILLS, parameters, 30) == [0, 7, 14, 22, 29]
    ranges = parameters.model_copy(update={"scan_range": ((3, 4), (10, 12))})
    assert sampled_images(STILLS, ranges, 30) == [2, 3, 9, 10, 11]
    assert sampled_images(STILLS, replace_most(ranges, 4), 30) == [2, 3, 10, 11]
    assert sampled_images(STILLS, SpotfinderParameters(), 30) == list(range(30))
    later = replace(STILLS, scan=None)
    assert sampled_images(later, parameters, 3) == [0, 1, 2]


def replace_most(parameters: SpotfinderParameters, most: int) -> SpotfinderParameters:
    return parameters.model_copy(update={"bad_pixel_images": most})
