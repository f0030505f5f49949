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
from spot_examples import read_bz2

from dxdask.errors import InputError
from dxdask.spotfinding import dispersion, dispersion_extended
from dxdask.spotfinding.threshold import DispersionThreshold

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


@st.composite
def frames(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(rng.integers(6, 40, 2))
    rate = draw(st.sampled_from([0.05, 0.5, 3.0, 50.0]))
    image = rng.poisson(rate, shape)
    for _ in range(draw(st.integers(0, 8))):
        j, i = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        image[j : j + 4, i : i + 4] += rng.poisson(rate * 10 + 20)
    image = image.astype(draw(st.sampled_from(["u2", "i4", "u4", "f4", "f8"])))
    mask = rng.random(shape) >= draw(st.sampled_from([0.0, 0.02, 0.3]))
    parameters = {
        "kernel_size": draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        "sigma_background": draw(st.sampled_from([0.0, 3.0, 6.0])),
        "sigma_strong": draw(st.sampled_from([0.0, 1.5, 3.0])),
        "min_local": draw(st.sampled_from([-1, 2, 3, 9])),
        "global_threshold": draw(st.sampled_from([0.0, 0.5, 10.0])),
        "gain": draw(st.sampled_from([1.0, 0.7, 2.0])),
    }
    return image, mask, parameters


@pytest.mark.parametrize("extended", [False, True])
@given(case=frames())
def test_kernels_agree_with_whole_frame_sums(extended: bool, case: Any) -> None:
    image, mask, parameters = case
    found = (dispersion_extended if extended else dispersion)(image, mask, **parameters)
    expected = plain.dispersion(image, mask, extended=extended, **parameters)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("extended", [False, True])
@given(case=frames())
def test_trusted_range_is_a_mask(extended: bool, case: Any) -> None:
    image, mask, parameters = case
    threshold = dispersion_extended if extended else dispersion
    inside = mask & (image > 1) & (image < 40)
    np.testing.assert_array_equal(
        threshold(image, mask, trusted_range=(1, 40), **parameters),
        threshold(image, inside, **parameters),
    )


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
        (((3, 20, 20), (20, 20)), {}, "one by one"),
        (((20, 20), (20, 21)), {}, "must be"),
        (((20, 20), (20, 20)), {"kernel_size": (0, 3)}, "1 or more"),
        (((20, 20), (20, 20)), {"kernel_size": (1, 1), "min_local": 20}, "widen kernel_size"),
    ],
)
def test_bad_input_says_what_to_do(shapes: Any, parameters: Any, words: str) -> None:
    image, mask = np.zeros(shapes[0], np.uint16), np.ones(shapes[1], bool)
    with pytest.raises(InputError, match=words):
        dispersion(image, mask, **parameters)
