"""Frames, masks and parameters that cannot be used: a clear error, or a problem's row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.spot_examples import experiment_for, spotty_frames

from dxdask.errors import InputError
from dxdask.models import Panel
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding import SpotfinderParameters, find_spots

FRAMES = spotty_frames((6, 40, 50), 12)


def parameters(**given: Any) -> SpotfinderParameters:
    return SpotfinderParameters.model_validate(given)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ["dispersion", "dispersion_extended"])
@pytest.mark.parametrize("use_range", [True, False])
def test_a_frame_of_no_numbers_is_a_problem(dtype: Any, algorithm: str, use_range: bool) -> None:
    frames = FRAMES.astype(dtype)
    good = find_spots(frames[:3], experiment_for(frames[:3])).reflections
    frames[3] = np.nan
    frames[4, :, 20:] = np.nan
    asked = parameters(threshold={"algorithm": algorithm}, filter={"use_trusted_range": use_range})
    result = find_spots(frames, experiment_for(frames), None, asked)
    assert [p["image"] for p in result.problems] == [4]
    assert "not a number" in result.problems[0]["reason"]
    assert [row["image"] for row in result.table("images").rows] == list(range(1, 7))
    assert np.isfinite(result.reflections["intensity_sum"]).all()
    before = result.reflections["bbox"][:, 5] <= 2
    if algorithm == "dispersion_extended":
        here = result.reflections["bbox"][before]
        np.testing.assert_array_equal(here, good["bbox"][good["bbox"][:, 5] <= 2])


def test_frames_all_masked_are_problems_with_advice() -> None:
    result = find_spots(FRAMES, experiment_for(FRAMES), np.zeros((40, 50), bool))
    assert [p["image"] for p in result.problems] == list(range(1, 7))
    assert len(result.reflections["x"]) == 0
    assert result.messages[-2] == "6 of 6 images could not be used, see problems"
    assert result.messages[-1].startswith("No spots were found, as no image could be used")


def test_frames_without_spots_say_what_to_try() -> None:
    frames = np.zeros((2, 40, 50), np.uint16)
    result = find_spots(frames, experiment_for(frames))
    assert not result.problems
    assert result.messages[-1].startswith("No spots were found: ")
    assert "sigma_strong" in result.messages[-1]


@pytest.mark.parametrize("dtype", ["f2", ">f4", ">u2", "c8", "?", "O", "g"])
def test_frames_of_what_no_kernel_takes_are_refused(dtype: str) -> None:
    frames = FRAMES.astype(np.float32).astype(dtype)
    with pytest.raises(InputError, match=r"frames of run are .*give integers, float32 or float64"):
        find_spots(frames, experiment_for(frames))


@pytest.mark.parametrize("shape", [(40, 49), (39, 50), (40,), (1, 40, 50)])
def test_a_mask_or_gain_map_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    experiment = experiment_for(FRAMES)
    with pytest.raises(InputError, match=r"mask of run is .*give"):
        find_spots(FRAMES, experiment, np.ones(shape, bool))
    with pytest.raises(InputError, match=r"gain map of run is .*give"):
        find_spots(FRAMES, experiment, maps=PixelMaps(gain=np.ones(shape)))


@pytest.mark.parametrize(
    "region", [(0, 51, 0, 40), (0, 50, 0, 41), (10, 10, 0, 40), (10, 5, 0, 40), (0, 50, 7, 7)]
)
def test_a_region_that_is_not_on_the_panel_is_refused(region: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"region_of_interest=.*50 x 40 pixels"):
        find_spots(FRAMES, experiment_for(FRAMES), None, parameters(region_of_interest=region))


def test_sizes_of_spots_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"min_spot_size=5 is larger than .*=4"):
        parameters(filter={"min_spot_size": 5, "max_spot_size": 4})
    with pytest.raises(InputError, match="below 3, the smallest size of a spot on a SENSOR_PAD"):
        find_spots(FRAMES, experiment_for(FRAMES), None, parameters(filter={"max_spot_size": 2}))
    ccd = Panel(type="SENSOR_CCD", image_size=(50, 40), trusted_range=(-1, 65535))
    with pytest.raises(InputError, match="below 6"):
        find_spots(
            FRAMES,
            experiment_for(FRAMES, panels=(ccd,)),
            None,
            parameters(filter={"max_spot_size": 5}),
        )


def test_too_many_strong_pixels_leave_the_other_frames_alone() -> None:
    frames = FRAMES.copy()
    frames[2, ::3, ::3] = 5000
    asked = parameters(
        threshold={"algorithm": "dispersion"}, filter={"max_strong_pixel_fraction": 0.05}
    )
    result = find_spots(frames, experiment_for(frames), None, asked)
    assert [p["image"] for p in result.problems] == [3]
    assert "allows; change the threshold" in result.problems[0]["reason"]
    assert "1 of 6 images could not be used, see problems" in result.messages
    assert not (result.arrays["pixel_z"] == 2).any()
    assert (result.arrays["pixel_z"] == 3).any()
