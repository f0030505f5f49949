"""The automatic global threshold: known curves, and what it does to an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from support.thresholded import dispersion, dispersion_extended

from dxdask.spotfinding.thresholds.global_threshold import LEVELS, estimate_global_threshold


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
def test_it_is_two_levels_before_the_elbow(dtype: str) -> None:
    """A background of up to 56 counts and a few brighter pixels: the curve levels off at 57."""
    image = np.tile(np.arange(57), (57, 20)).astype(dtype)
    image[::10, ::50] = 3000
    assert LEVELS[9] == 57
    assert estimate_global_threshold(image) == LEVELS[7] == 25


def test_levels_are_powers_of_one_and_a_half() -> None:
    assert LEVELS.tolist()[:6] == [1, 2, 3, 5, 7, 11]
    assert LEVELS.size == 19


@pytest.mark.parametrize("value", [0, 1, 5000])
def test_an_image_without_an_elbow_has_the_first_level(value: int) -> None:
    assert estimate_global_threshold(np.full((9, 9), value, np.uint16)) == 1
    assert estimate_global_threshold(np.full((9, 9), np.nan)) == 1


@pytest.mark.parametrize("threshold", [dispersion, dispersion_extended])
def test_none_means_that_of_each_image(threshold: Callable[..., NDArray[np.bool_]]) -> None:
    rng = np.random.default_rng(0)
    mask = np.ones((80, 90), bool)
    differ = 0
    for rate in (1.0, 30.0):
        image = rng.poisson(rate, mask.shape).astype(np.uint16)
        image[20:24, 30:34] += rng.poisson(8 * rate, (4, 4)).astype(np.uint16)
        level = estimate_global_threshold(image)
        found = threshold(image, mask, global_threshold=None, sigma_strong=0.0)
        fixed = threshold(image, mask, global_threshold=level, sigma_strong=0.0)
        np.testing.assert_array_equal(found, fixed)
        every = threshold(image, mask, global_threshold=0.0, sigma_strong=0.0)
        np.testing.assert_array_equal(found, every & (image > level))
        differ += int((found != every).sum())
    assert differ > 0
