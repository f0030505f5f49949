"""Strong pixels above the radial profile: painted truth, a plain twin, laws, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import plain_radial_profile as plain

from dxdask.errors import InputError
from dxdask.models import Beam, Panel
from dxdask.spotfinding.thresholds.radial_profile import RadialProfileThreshold
from dxdask.spotfinding.thresholds.rings import (
    CACHED_PIXELS,
    _cache,
    rings_of,
    two_theta_at_corners,
)

BEAM = Beam(wavelength=1.1)
PANEL = Panel(
    origin=(-4.13, 3.87, -50.0), pixel_size=(0.1, 0.1), image_size=(90, 80),
    thickness=0.45, mu=3.1, use_parallax=True,
)  # fmt: skip
ALL = (0, 90, 0, 80)


def falling_frame(seed: int = 1, height: float = 400.0) -> Any:
    """Return a background that falls off with 2 theta (slow, fast), with 8 spots, and where."""
    rng = np.random.default_rng(seed)
    angles = plain.two_theta(PANEL, BEAM)
    background = height * np.exp(-angles / angles.max() * 3) + 5
    image = rng.poisson(background)
    centres = [(10, 12), (10, 60), (25, 30), (30, 80), (44, 20), (60, 45), (70, 10), (72, 75)]
    for y, x in centres:
        image[y - 1 : y + 2, x - 1 : x + 2] += rng.poisson(12 * np.sqrt(background[y, x]) + 40, 1)
    return image.astype(np.int32), centres


def test_painted_spots_and_nothing_else() -> None:
    image, centres = falling_frame()
    threshold = RadialProfileThreshold(rings_of(PANEL, BEAM, 30))
    strong = threshold(image, np.ones(image.shape, np.bool_))
    painted = np.zeros(image.shape, np.bool_)
    for y, x in centres:
        painted[y - 1 : y + 2, x - 1 : x + 2] = True
    assert strong[painted].mean() > 0.95
    assert not strong[~painted].any()


def test_two_theta_is_that_of_the_corners() -> None:
    angles = two_theta_at_corners(PANEL, BEAM, ALL)
    np.testing.assert_allclose(angles, plain.two_theta(PANEL, BEAM), rtol=0, atol=1e-9)
    flat = replace(PANEL, use_parallax=False)
    radius = np.hypot(flat.origin[0] + 0.1 * 50, flat.origin[1] - 0.1 * 7)
    found = two_theta_at_corners(flat, BEAM, ALL)[7, 50]
    np.testing.assert_allclose(found, np.arctan(radius / 50), rtol=1e-12)
    assert two_theta_at_corners(PANEL, BEAM, ALL)[7, 50] != found


@pytest.mark.parametrize("n_bins", [2, 17, 100, 70_000])
def test_rings_share_the_range_of_two_theta(n_bins: int) -> None:
    rings = rings_of(PANEL, BEAM, n_bins)
    np.testing.assert_array_equal(rings.ring, plain.rings(plain.two_theta(PANEL, BEAM), n_bins))
    for r in range(min(n_bins, 100)):
        sample = rings.sample[r][rings.sample[r] >= 0]
        inside = np.flatnonzero(rings.ring == r)
        assert np.isin(sample, inside).all()
        assert len(np.unique(sample)) == len(sample) == min(len(inside), rings.sample.shape[1])


def test_rings_of_a_region_share_its_range() -> None:
    x0, x1, y0, y1 = region = (20, 70, 50, 75)
    angles = plain.two_theta(PANEL, BEAM)[y0:y1, x0:x1]
    rings = rings_of(PANEL, BEAM, 12, region)
    np.testing.assert_array_equal(rings.ring, plain.rings(angles, 12))


def test_rings_of_one_pixel() -> None:
    assert rings_of(replace(PANEL, image_size=(1, 1)), BEAM, 5).ring.tolist() == [[0]]


def test_rings_are_kept_until_there_are_too_many() -> None:
    assert rings_of(PANEL, BEAM, 31) is rings_of(replace(PANEL, name="other"), BEAM, 31)
    assert rings_of(PANEL, BEAM, 31) is not rings_of(PANEL, BEAM, 32)
    moved = replace(PANEL, origin=(-4.0, 3.0, -50.0))
    assert rings_of(PANEL, BEAM, 31) is not rings_of(moved, BEAM, 31)
    assert sum(r.ring.size for r in _cache.values()) <= CACHED_PIXELS


@st.composite
def cases(draw: st.DrawFn) -> Any:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width, height = rng.integers(1, 40, 2).tolist()
    panel = replace(PANEL, image_size=(width, height))
    image = rng.poisson(draw(st.sampled_from([0.1, 1.0, 30.0, 4000.0])), (height, width))
    for _ in range(draw(st.integers(0, 6))):
        j, i = rng.integers(0, height), rng.integers(0, width)
        image[j : j + 3, i : i + 3] += rng.poisson(60)
    image = image.astype(draw(st.sampled_from(["u2", "i4", "u4", "f4", "f8"])))
    mask = rng.random(image.shape) >= draw(st.sampled_from([0.0, 0.1, 0.9]))
    parameters = {
        "n_iqr": draw(st.sampled_from([0.3, 1.0, 6.0])),
        # wide blurs round, and a pixel may then be at its level or just above it
        "blur": draw(st.sampled_from([None, "narrow"])),
    }
    return panel, image, mask, draw(st.sampled_from([2, 7, 40])), parameters


@given(case=cases())
def test_it_agrees_with_numpy(case: Any) -> None:
    panel, image, mask, n_bins, parameters = case
    rings = rings_of(panel, BEAM, n_bins)
    found = RadialProfileThreshold(rings, **parameters)(image, mask)
    expected = plain.radial_profile(image, mask, rings.ring, **parameters)
    np.testing.assert_array_equal(found, expected)


def test_a_wide_blur_agrees_with_numpy() -> None:
    image, _ = falling_frame(5)
    mask = np.ones(image.shape, np.bool_)
    rings = rings_of(PANEL, BEAM, 30)
    found = RadialProfileThreshold(rings, blur="wide")(image, mask)
    expected = plain.radial_profile(image, mask, rings.ring, blur="wide")
    np.testing.assert_array_equal(found, expected)


@given(case=cases())
def test_masked_pixels_are_never_strong_and_do_not_count(case: Any) -> None:
    panel, image, mask, n_bins, parameters = case
    threshold = RadialProfileThreshold(rings_of(panel, BEAM, n_bins), n_iqr=parameters["n_iqr"])
    strong = threshold(image, mask).copy()
    assert not strong[~mask].any()
    other = np.where(mask, image, image.dtype.type(60000))
    np.testing.assert_array_equal(threshold(other, mask), strong)


@given(case=cases())
def test_trusted_range_is_a_mask(case: Any) -> None:
    panel, image, mask, n_bins, parameters = case
    threshold = RadialProfileThreshold(rings_of(panel, BEAM, n_bins), **parameters)
    expected = threshold(image, mask & (image > 1) & (image < 40)).copy()
    np.testing.assert_array_equal(threshold(image, mask, (1.0, 40.0)), expected)


@pytest.mark.parametrize("blur", [None, "narrow", "wide"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_never_strong(blur: str | None, bad: float) -> None:
    image, _ = falling_frame()
    image = image.astype(np.float32)
    image[40:44, 40:44] = bad
    rings = rings_of(PANEL, BEAM, 30)
    mask = np.ones(image.shape, np.bool_)
    strong = RadialProfileThreshold(rings, blur=blur)(image, mask)
    assert not strong[36:48, 36:48].any()
    assert strong[10, 12]
    assert not RadialProfileThreshold(rings, blur=blur)(np.full_like(image, bad), mask).any()


@pytest.mark.parametrize("blur", [None, "narrow", "wide"])
def test_an_image_that_is_all_masked_has_none(blur: str | None) -> None:
    image, _ = falling_frame()
    threshold = RadialProfileThreshold(rings_of(PANEL, BEAM, 30), blur=blur)
    assert not threshold(image, np.zeros(image.shape, np.bool_)).any()


def test_more_interquartile_ranges_leave_fewer() -> None:
    image, _ = falling_frame()
    rings, mask = rings_of(PANEL, BEAM, 30), np.ones(image.shape, np.bool_)
    n = [RadialProfileThreshold(rings, n_iqr=k)(image, mask).sum() for k in (0.5, 1.5, 4.0, 12.0)]
    assert n == sorted(n, reverse=True)
    assert len(set(n)) == 4


def test_few_rings_cannot_follow_the_background() -> None:
    image, _ = falling_frame(height=5000.0)
    mask = np.ones(image.shape, np.bool_)
    n = [RadialProfileThreshold(rings_of(PANEL, BEAM, k))(image, mask).sum() for k in (2, 40)]
    assert n[0] < n[1]


def test_a_blur_finds_wide_spots_that_are_weak_and_no_single_pixels() -> None:
    rng = np.random.default_rng(8)
    image = rng.poisson(30.0, (80, 90)).astype(np.int32)
    image[60:65, 70:75] += 20
    image[20, 20] += 60
    rings, mask = rings_of(PANEL, BEAM, 10), np.ones(image.shape, np.bool_)
    plainly = RadialProfileThreshold(rings)(image, mask)
    wide = RadialProfileThreshold(rings, blur="wide")(image, mask)
    assert plainly[20, 20]
    assert plainly[60:65, 70:75].sum() < 5
    assert not wide[20, 20]
    assert wide[61:64, 71:74].all()


def test_where_nothing_varies_two_counts_stand_out() -> None:
    image = np.zeros((80, 90), np.uint16)
    image[40, 40:43] = 1, 2, 3
    strong = RadialProfileThreshold(rings_of(PANEL, BEAM, 10))(image, np.ones((80, 90), np.bool_))
    assert np.argwhere(strong).tolist() == [[40, 42]]


def test_gain_of_each_pixel() -> None:
    image, _ = falling_frame()
    gain = np.where(np.arange(90) < 45, 1.0, 3.0) * np.ones((80, 1))
    recorded = (image * gain).astype(np.int32)
    rings, mask = rings_of(PANEL, BEAM, 30), np.ones(image.shape, np.bool_)
    expected = RadialProfileThreshold(rings)(image, mask)
    np.testing.assert_array_equal(
        RadialProfileThreshold(rings, gain=gain)(recorded, mask), expected
    )
    assert (RadialProfileThreshold(rings)(recorded, mask) != expected).any()


def test_bad_input() -> None:
    rings = rings_of(PANEL, BEAM, 30)
    with pytest.raises(InputError, match="blur is 'thin'"):
        RadialProfileThreshold(rings, blur="thin")
    with pytest.raises(InputError, match="gain map is"):
        RadialProfileThreshold(rings, gain=np.ones((3, 3)))
    with pytest.raises(InputError, match="must be"):
        RadialProfileThreshold(rings)(np.zeros((3, 3)), np.ones((3, 3), np.bool_))
