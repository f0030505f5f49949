"""Frames at the edge of what there is: tiny, negative, infinite, saturated, of any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.spot_examples import experiment_for, spotty_frames

from dxdask.models import Panel
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters, find_spots

ALGORITHMS = ("dispersion", "dispersion_extended", "radial_profile", "helen")
FRAMES = spotty_frames((4, 40, 50), 12)


def dtypes(usual: str, rare: str) -> list[Any]:
    """Return dtypes to try; kernels are compiled anew for the rare ones, a second each."""
    return [*usual.split(), *(pytest.param(d, marks=pytest.mark.slow) for d in rare.split())]


def spots_of(frames: Any, algorithm: str, *, panels: Any = None, **more: Any) -> StepResult:
    given = {"algorithm": algorithm, **more.pop("threshold", {})}
    parameters = SpotfinderParameters.model_validate({"threshold": given, **more})
    extra = {} if panels is None else {"panels": panels}
    return find_spots(frames, experiment_for(frames, **extra), None, parameters)


def assert_same(found: StepResult, expected: StepResult) -> None:
    assert len(expected.reflections["x"]) > 0
    for name, values in expected.reflections.items():
        np.testing.assert_array_equal(found.reflections[name], values, err_msg=name)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", dtypes("i4 f4", "i2 u4 u8 i8 f8"))
def test_the_kind_of_number_does_not_matter(dtype: str, algorithm: str) -> None:
    assert_same(spots_of(FRAMES.astype(dtype), algorithm), spots_of(FRAMES, algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", dtypes("", "i1 u1"))
def test_bytes(dtype: str, algorithm: str) -> None:
    low = np.minimum(FRAMES, 120)
    assert_same(spots_of(low.astype(dtype), algorithm), spots_of(low, algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", dtypes("u2 i4", "u4 u8 i8"))
def test_saturated_pixels_are_as_masked_ones(dtype: str, algorithm: str) -> None:
    frames = FRAMES.astype(dtype)
    frames[:, 20:23, 20:23] = np.iinfo(dtype).max
    mask = np.ones((40, 50), bool)
    mask[20:23, 20:23] = False
    panel = Panel(image_size=(50, 40), trusted_range=(-1, np.iinfo(dtype).max))
    parameters = SpotfinderParameters.model_validate({"threshold": {"algorithm": algorithm}})
    masked = find_spots(FRAMES, experiment_for(FRAMES), mask, parameters)
    assert_same(spots_of(frames, algorithm, panels=(panel,)), masked)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("use_range", [True, False])
def test_what_is_not_finite_is_as_masked(algorithm: str, value: float, use_range: bool) -> None:
    frames = FRAMES.astype(np.float32)
    frames[:, 20:23, 20:23] = value
    mask = np.ones((40, 50), bool)
    mask[20:23, 20:23] = False
    parameters = SpotfinderParameters.model_validate({"threshold": {"algorithm": algorithm}})
    masked = find_spots(FRAMES, experiment_for(FRAMES), mask, parameters)
    found = spots_of(frames, algorithm, filter={"use_trusted_range": use_range})
    assert_same(found, masked)
    assert not found.problems


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_negative_counts_outside_the_trusted_range_are_as_masked(algorithm: str) -> None:
    frames = FRAMES.astype(np.int32)
    frames[:, :, 30:33] = [-1, -2, -(2**31)]
    mask = np.ones((40, 50), bool)
    mask[:, 30:33] = False
    parameters = SpotfinderParameters.model_validate({"threshold": {"algorithm": algorithm}})
    masked = find_spots(FRAMES, experiment_for(FRAMES), mask, parameters)
    assert_same(spots_of(frames, algorithm), masked)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 1, 7), (2, 9, 1), (1, 2, 2)])
def test_frames_smaller_than_any_window_have_no_spots(
    shape: tuple[int, int, int], algorithm: str
) -> None:
    result = spots_of(np.full(shape, 3, np.uint16), algorithm)
    assert len(result.reflections["x"]) == 0
    assert not result.problems
    assert len(result.table("images").rows) == shape[0]


def test_a_window_larger_than_the_frame_is_all_of_it() -> None:
    """Each pixel is judged by mean and variance of the whole frame."""
    wide = {"dispersion": {"kernel_size": (60, 60)}}
    result = spots_of(FRAMES, "dispersion", threshold=wide, filter={"min_spot_size": 1})
    image = FRAMES.astype(np.float64)
    mean = image.mean(axis=(1, 2), keepdims=True)
    assert (image.var(axis=(1, 2), ddof=1) / mean[:, 0, 0] > 1 + 6 * np.sqrt(2 / 1999)).all()
    strong = image - mean > 3 * np.sqrt(mean)
    counts = [row["n_strong_pixels"] for row in result.table("images").rows]
    assert counts == strong.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize("algorithm", ["dispersion", "dispersion_extended"])
def test_panels_of_different_gain_side_by_side(algorithm: str) -> None:
    """Photons counted at gain 1 and at gain 4 are the same spots."""
    frames = np.concatenate([FRAMES, FRAMES * np.uint16(4)], axis=2)
    panels = tuple(
        Panel(image_size=(50, 40), offset=(50 * i, 0), gain=gain, trusted_range=(-1, 65535))
        for i, gain in enumerate((1.0, 4.0))
    )
    both = spots_of(frames, algorithm, panels=panels).reflections
    first, second = (both["panel"] == i for i in range(2))
    assert first.sum() == second.sum() > 3
    np.testing.assert_array_equal(both["bbox"][first], both["bbox"][second])
    np.testing.assert_array_equal(both["intensity_sum"][first], both["intensity_sum"][second])
