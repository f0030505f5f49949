"""Strong pixels: DIALS's own on real frames, plain NumPy twins, laws, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import plain_threshold as plain
from support.spot_examples import read_bz2
from support.thresholded import dispersion, dispersion_extended

from dxdask.errors import InputError
from dxdask.spotfinding.thresholds.dispersion import DispersionThreshold

THRESHOLDS = {"dispersion": dispersion, "dispersion_extended": dispersion_extended}
FRAMES = ("thau_3_2_0002", "thau_3_2_0010", "thau_3_2_0014")


@pytest.mark.shared
@pytest.mark.parametrize("frame", FRAMES)
def test_strong_pixels_are_those_of_dials(shared: Path, frame: str) -> None:
    pixels = np.load(shared / "reference/strong_pixels.npz")
    document = json.loads((shared / "reference/strong_pixels.json").read_text())
    image = read_bz2(shared / f"data/real/thaumatin_grid/{frame}.cbf.bz2")
    packed = np.unpackbits(pixels[f"{frame}/mask_packed"])[: image.size]
    mask = packed.reshape(image.shape).astype(bool)
    settings = [s for s in document["settings"] if s["frame"] == frame]
    assert len(settings) == 12
    for s in settings:
        names = ("kernel_size", "sigma_background", "sigma_strong", "global_threshold", "min_local")
        found = THRESHOLDS[s["algorithm"]](
            image, mask, gain=s["gain"] or 1.0, **{name: s[name] for name in names}
        )
        np.testing.assert_array_equal(np.flatnonzero(found), pixels[s["key"]], err_msg=s["key"])


DTYPES = ("u1", "u2", "u4", "i2", "i4", "i8", "f4", "f8")


@st.composite
def frames(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    """Draw a frame of spots on a background, a mask, and parameters."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(rng.integers(1, draw(st.sampled_from([8, 40, 300])), 2))
    shape = (min(int(shape[0]), 60), int(shape[1]))
    rate = draw(st.sampled_from([0.05, 0.5, 3.0, 50.0]))
    image = rng.poisson(rate, shape).astype(np.float64)
    for _ in range(draw(st.integers(0, 8))):
        j, i = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        image[j : j + 4, i : i + 4] += rng.poisson(rate * 10 + 20)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    for odd in draw(st.lists(st.sampled_from(_odd_values(dtype)), max_size=3)):
        image[rng.integers(0, shape[0]), rng.integers(0, shape[1])] = odd
    if dtype.kind in "if" and draw(st.booleans()):
        image -= rate
        image = np.round(image * 4) / 4 if dtype.kind == "f" else np.floor(image)
    if dtype.kind in "iu":
        image = np.clip(image, np.iinfo(dtype).min, np.iinfo(dtype).max)
    mask = rng.random(shape) >= draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    parameters = {
        "kernel_size": draw(st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.just((3, 3))),
        "sigma_background": draw(st.sampled_from([0.0, 3.0, 6.0])),
        "sigma_strong": draw(st.sampled_from([0.0, 1.5, 3.0])),
        "min_local": draw(st.sampled_from([-1, 0, 1, 2, 3, 9])),
        "global_threshold": draw(st.sampled_from([0.0, 0.5, 10.0])),
        "gain": draw(st.sampled_from([1.0, 0.7, 2.0, "map"])),
        "trusted_range": draw(st.sampled_from([None, (-1, 40), (-2, 10**9), (0.5, 70000)])),
    }
    if parameters["gain"] == "map":
        parameters["gain"] = rng.uniform(0.5, 2.0, shape)
    return image.astype(dtype), mask, parameters


def _odd_values(dtype: np.dtype[Any]) -> list[float]:
    """Values that are too large for one kind of sum or other, or no numbers."""
    odd = [200.0, 6000.0, 7000.0, 65535.0, 2.0**24 - 1, 2.0**24, 2.0**24 + 2, 2.0**31]
    if dtype.kind != "u":
        odd += [-3.0, -7000.0, -(2.0**24) - 2]
    return odd + [np.nan, np.inf, -np.inf] if dtype.kind == "f" else odd


@pytest.mark.parametrize("extended", [False, True])
@given(case=frames())
def test_kernels_agree_with_whole_frame_sums(extended: bool, case: Any) -> None:
    image, mask, parameters = case
    found = (dispersion_extended if extended else dispersion)(image, mask, **parameters)
    expected = plain.dispersion(image, mask, extended=extended, **parameters)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.jit  # NumPy promotes single precision in other ways than compiled code
@pytest.mark.parametrize("extended", [False, True])
@given(case=frames(), low=st.sampled_from([-3, 0.5, 1]), high=st.sampled_from([1, 40, 300.5]))
def test_trusted_range_is_a_mask(extended: bool, case: Any, low: float, high: float) -> None:
    image, mask, parameters = case
    threshold = dispersion_extended if extended else dispersion
    inside = mask & (image > low) & (image < high)
    np.testing.assert_array_equal(
        threshold(image, mask, **{**parameters, "trusted_range": (low, high)}),
        threshold(image, inside, **{**parameters, "trusted_range": None}),
    )


@pytest.mark.parametrize("extended", [False, True])
@given(case=frames(), gain=st.sampled_from([0.7, 2.0]))
def test_a_uniform_gain_map_is_its_value(extended: bool, case: Any, gain: float) -> None:
    image, mask, parameters = case
    threshold = dispersion_extended if extended else dispersion
    np.testing.assert_array_equal(
        threshold(image, mask, **{**parameters, "gain": np.full(image.shape, gain)}),
        threshold(image, mask, **{**parameters, "gain": gain}),
    )


@pytest.mark.parametrize("extended", [False, True])
def test_numbers_no_integer_can_hold_are_found_alike(extended: bool) -> None:
    """Real numbers keep nothing of what came before, and do not depend on their neighbours."""
    rng = np.random.default_rng(5)
    image = rng.normal(3.0, 1.7, (50, 300))
    image[20:23, 100:104] += 40.0
    image[3, 101] = 1e7
    mask = np.ones(image.shape, bool)
    threshold = dispersion_extended if extended else dispersion
    expected = plain.dispersion(image, mask, extended=extended)
    found = threshold(image, mask)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(threshold(image[12:], mask[12:])[10:], found[22:])
    assert found[20:23, 100:104].sum() > 6


def test_windows_exactly_on_the_limit_hold_no_signal() -> None:
    """n y - x^2 = x ((n - 1) + sigma sqrt(2 (n - 1))) without rounding: the root is 4."""
    image = np.zeros((3, 3), np.uint16)
    image[:2, :2] = 3  # n = 9, x = 12, y = 36
    mask = np.ones(image.shape, bool)
    sigma = (9 * 36 - 12 * 12 - 12 * 8) / (12 * 4)
    at, below = (
        dispersion(image, mask, kernel_size=(1, 1), sigma_background=s, sigma_strong=0.0)[1, 1]
        for s in (sigma, sigma - 1e-9)
    )
    assert (at, below) == (False, True)


def test_min_local() -> None:
    """Windows with fewer good pixels are not judged; 0 or less requires all of them."""
    image = np.random.default_rng(0).poisson(1, (40, 40)).astype(np.uint16)
    image[[0, 20, 21, 39], [0, 20, 21, 39]] += 300
    mask = np.ones(image.shape, bool)
    mask[20, 24] = False
    found = {k: dispersion(image, mask, min_local=k) for k in (-1, 0, 2, 16, 17, 48, 49)}
    np.testing.assert_array_equal(found[0], found[-1])
    np.testing.assert_array_equal(found[0], found[49])
    assert found[16][0, 0]
    assert not found[17][0, 0]
    assert found[48][21, 21]
    assert not found[49][21, 21]
    assert found[49][20, 20]  # the masked pixel is four columns away


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("extended", [False, True])
def test_frames_without_anything_to_find(extended: bool, dtype: str) -> None:
    for shape in ((1, 1), (1, 50), (50, 1), (2, 300), (0, 5), (5, 0)):
        image = np.full(shape, np.nan if dtype[0] == "f" else 3).astype(dtype)
        for mask in (np.ones(shape, bool), np.zeros(shape, bool)):
            threshold = dispersion_extended if extended else dispersion
            assert not threshold(image, mask).any()


@pytest.mark.parametrize("name", THRESHOLDS)
def test_workspace_keeps_nothing_from_frame_to_frame(name: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.poisson(3, (3, 30, 40)).astype(np.uint16)
    images[:, 10:13, 5:8] += 200
    mask = np.ones((30, 40), bool)
    threshold = DispersionThreshold((30, 40), images.dtype, extended=name != "dispersion")
    for image in (*images, *images[::-1]):
        np.testing.assert_array_equal(threshold(image, mask), THRESHOLDS[name](image, mask))
    assert threshold(images[0], mask)[10:13, 5:8].any()


def test_a_pixel_too_large_for_the_sums_is_left_out_of_them_but_found() -> None:
    """As in DIALS: the neighbours of a runaway pixel are judged without it."""
    rng = np.random.default_rng(0)
    image = rng.poisson(3, (30, 40)).astype(np.uint32)
    image[10:13, 5:8] += 60
    image[11, 6] = 1 << 25
    mask = np.ones(image.shape, bool)
    np.testing.assert_array_equal(
        dispersion(image, mask), plain.dispersion(image, mask, extended=False)
    )
    assert dispersion(image, mask)[11, 6]
    assert not dispersion(image, mask, trusted_range=(-1, 10**6))[11, 6]


def test_real_numbers_that_are_not_numbers_are_never_strong() -> None:
    rng = np.random.default_rng(0)
    image = rng.poisson(3, (30, 40)).astype(np.float32)
    image[10:13, 5:8] += 60
    image[20, 20], image[21, 20] = np.nan, np.inf
    mask = np.ones(image.shape, bool)
    found = dispersion(image, mask)
    np.testing.assert_array_equal(found, dispersion(np.nan_to_num(image), np.isfinite(image)))
    assert found[10:13, 5:8].any()
    assert not found[20:22, 20].any()


@pytest.mark.parametrize(
    ("shapes", "parameters", "words"),
    [
        (((3, 20, 20), (20, 20)), {}, "must be"),
        (((20, 20), (20, 21)), {}, "must be"),
        (((20, 20), (20, 20)), {"kernel_size": (0, 3)}, "1 or more"),
        (((20, 20), (20, 20)), {"kernel_size": (61, 3)}, "60 or less"),
        (((20, 20), (20, 20)), {"kernel_size": (1, 1), "min_local": 20}, "widen kernel_size"),
        (((20, 20), (20, 20)), {"gain": np.ones((20, 21))}, "gain map"),
        (((20, 20), (20, 20)), {"gain": np.zeros((20, 20))}, "above 0"),
        (((20, 20), (20, 20)), {"gain": np.nan}, "above 0"),
    ],
)
def test_bad_input_says_what_to_do(shapes: Any, parameters: Any, words: str) -> None:
    image, mask = np.zeros(shapes[0], np.uint16), np.ones(shapes[1], bool)
    with pytest.raises(InputError, match=words):
        dispersion(image, mask, **parameters)
