"""Strong pixels by an ideal spot: painted truth, a plain twin, laws, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import plain_ideal_spot as plain
from scipy import ndimage

from dxdask.errors import InputError
from dxdask.spotfinding.thresholds.ideal_spot import IdealSpotThreshold, ideal_spot

SHAPE = (300, 280)


def painted(
    seed: int = 4, *, sigma: tuple[float, float] = (0.8, 0.8), height: float = 900.0
) -> Any:
    """Return noise with spots on a grid (slow, fast), and where their centres are."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    rate = np.full(SHAPE, 20.0)
    centres = [
        (j + rng.uniform(-0.4, 0.4), i + rng.uniform(-0.4, 0.4))
        for j in range(20, 290, 25)
        for i in range(20, 270, 25)
    ]
    for j, i in centres:
        r2 = ((y - j) / sigma[0]) ** 2 + ((x - i) / sigma[1]) ** 2
        rate += height * rng.uniform(0.3, 3) * np.exp(-r2 / 2)
    return rng.poisson(rate).astype(np.int32), np.rint(centres).astype(int)


def strong_pixels(image: Any, mask: Any = None, **parameters: Any) -> Any:
    mask = np.ones(image.shape, np.bool_) if mask is None else mask
    return IdealSpotThreshold(image.shape, **parameters)(image, mask)


def test_painted_spots_and_nothing_else() -> None:
    image, centres = painted()
    strong = strong_pixels(image)
    labels, n = ndimage.label(strong)
    found = labels[tuple(centres.T)]
    assert (found > 0).mean() > 0.97
    assert n == len(np.unique(found[found > 0]))
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.max() <= 9
    assert np.median(sizes) == 9


def test_hot_pixels_streaks_and_edges_are_no_spots() -> None:
    rng = np.random.default_rng(2)
    image = rng.poisson(20.0, SHAPE).astype(np.int32)
    image[rng.integers(5, 295, 40), rng.integers(5, 195, 40)] = 6000
    image[:, 200] += 700
    image[:, 240:] += 900
    assert not strong_pixels(image).any()
    assert strong_pixels(image, min_blob_score=0.0).any()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8])
def test_the_ideal_spot(width: int) -> None:
    picture = ideal_spot(width)
    assert picture.shape == (width + 4, width + 4)
    np.testing.assert_allclose(picture, plain.picture_of(width), rtol=1e-14)
    np.testing.assert_allclose(picture, picture.T, rtol=0)
    border = picture.copy()
    border[2:-2, 2:-2] = 0
    assert not border.any()


@pytest.mark.parametrize("width", [2, 3, 4, 5, 8])
def test_the_ideal_spot_is_found_whole_wherever_it_is(width: int) -> None:
    picture = ideal_spot(width)
    for y, x in [(6, 9), (0, 9), (7, -1)]:  # whole, and with some border beyond the frame
        image = np.zeros((30, 31))
        there = image[max(y, 0) : y + width + 4, max(x, 0) : x + width + 4]
        there += picture[-there.shape[0] :, -there.shape[1] :] * 1e4
        strong = strong_pixels(image, exp_spot_dimension=width, global_threshold=1.0)
        np.testing.assert_array_equal(strong, image > 0)


def test_spots_three_pixels_apart_are_both_found() -> None:
    image = np.random.default_rng(1).poisson(5.0, (40, 40)).astype(np.int32)
    spot = np.rint(ideal_spot(3)[2:5, 2:5] * 4000).astype(np.int32)
    image[20:23, 20:23] += spot
    image[20:23, 23:26] += spot // 2
    strong = strong_pixels(image)
    assert strong[21, 21]
    assert strong[21, 24]


@st.composite
def cases(draw: st.DrawFn) -> Any:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(rng.integers(3, 45, 2))
    y, x = np.indices(shape)
    rate = np.full(shape, draw(st.sampled_from([0.5, 10.0, 90.0])))
    for _ in range(draw(st.integers(0, 12))):
        j, i = rng.uniform(0, shape)
        r2 = ((y - j) ** 2 + (x - i) ** 2) / rng.uniform(0.4, 1.5) ** 2
        rate += rng.uniform(50, 3000) * np.exp(-r2 / 2)
    image = rng.poisson(rate).astype(draw(st.sampled_from(["u2", "i4", "f4", "f8"])))
    mask = rng.random(shape) >= draw(st.sampled_from([0.0, 0.05, 0.4]))
    parameters = {
        "exp_spot_dimension": draw(st.integers(1, 6)),
        "global_threshold": draw(st.sampled_from([0.0, 20.0, 100.0])),
        "min_blob_score": draw(st.sampled_from([0.2, 0.5, 0.7, 0.9])),
        "num_passes": draw(st.integers(0, 2)),
    }
    return image, mask, parameters


@given(case=cases())
def test_it_agrees_with_numpy(case: Any) -> None:
    image, mask, parameters = case
    found = strong_pixels(image, mask, **parameters)
    np.testing.assert_array_equal(found, plain.ideal_spot(image, mask, **parameters))


@given(case=cases())
def test_masked_pixels_are_never_strong_and_do_not_count(case: Any) -> None:
    image, mask, parameters = case
    strong = strong_pixels(image, mask, **parameters)
    assert not strong[~mask].any()
    other = np.where(mask, image, image.dtype.type(60000))
    np.testing.assert_array_equal(strong_pixels(other, mask, **parameters), strong)


@given(case=cases())
def test_trusted_range_is_a_mask_and_nothing_is_left_of_the_frame_before(case: Any) -> None:
    image, mask, parameters = case
    threshold = IdealSpotThreshold(image.shape, **parameters)
    expected = threshold(image, mask & (image > 1) & (image < 500)).copy()
    threshold(image + image.dtype.type(7), ~mask)
    np.testing.assert_array_equal(threshold(image, mask, (1.0, 500.0)), expected)


def test_a_spot_half_masked_is_none() -> None:
    image, centres = painted()
    y, x = centres[40]
    mask = np.ones(SHAPE, np.bool_)
    mask[:, x + 1 :] = False  # 4 of 7 columns are left
    assert strong_pixels(image, mask)[y, x]
    mask[:, :x] = False
    assert not strong_pixels(image, mask).any()


def test_only_pixels_above_the_global_threshold_begin_a_spot() -> None:
    image, centres = painted()
    peaks = ndimage.maximum_filter(image, 3)[tuple(centres.T)]
    limit = float(np.median(peaks))
    strong = ndimage.maximum_filter(strong_pixels(image, global_threshold=limit), 3)
    assert not strong[tuple(centres[peaks <= limit].T)].any()
    assert strong[tuple(centres[peaks > limit].T)].mean() > 0.97


def test_a_higher_score_leaves_fewer() -> None:
    image, _ = painted()
    n = [ndimage.label(strong_pixels(image, min_blob_score=s))[1] for s in (0.5, 0.9, 0.95, 1.0)]
    assert n == sorted(n, reverse=True)
    assert n[0] > n[1] > n[2] > n[3]


def test_the_width_expected_is_that_of_the_spots_found() -> None:
    image, centres = painted(sigma=(2.0, 2.0))
    n = [strong_pixels(image, exp_spot_dimension=w)[tuple(centres.T)].sum() for w in (3, 9)]
    assert n[1] > 0.97 * len(centres)
    assert n[0] < 0.5 * len(centres)


def test_passes_learn_another_shape() -> None:
    image, centres = painted(sigma=(0.7, 1.8))
    near = [
        ndimage.maximum_filter(strong_pixels(image, num_passes=n), 3)[tuple(centres.T)].mean()
        for n in (0, 1, 3)
    ]
    assert near[0] < 0.6
    assert min(near[1:]) > 0.97


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_never_strong(bad: float) -> None:
    image, centres = painted()
    image = image.astype(np.float32)
    y, x = centres[40]
    image[y, x] = bad
    strong = strong_pixels(image)
    assert not strong[y, x]
    assert strong[tuple(centres[41])]
    assert not strong_pixels(np.full_like(image, bad)).any()


def test_an_image_that_is_flat_or_all_masked_has_none() -> None:
    assert not strong_pixels(np.full((20, 30), 500, np.uint16)).any()
    image, _ = painted()
    assert not strong_pixels(image, np.zeros(SHAPE, np.bool_), num_passes=2).any()


def test_bad_input() -> None:
    with pytest.raises(InputError, match="exp_spot_dimension is 0"):
        IdealSpotThreshold((5, 5), exp_spot_dimension=0)
    with pytest.raises(InputError, match="num_passes is -1"):
        IdealSpotThreshold((5, 5), num_passes=-1)
    with pytest.raises(InputError, match="must be"):
        IdealSpotThreshold((5, 5))(np.zeros((3, 3)), np.ones((3, 3), np.bool_))
