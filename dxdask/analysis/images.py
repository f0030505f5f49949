"""Images of a run, pixels of a panel and counts that the analyses of frames use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError, ParameterError
from dxdask.masking import MaskParameters, panel_masks
from dxdask.models import Experiment, Panel

Indices = NDArray[np.int64]


def chosen_frames(
    experiment: Experiment,
    n_frames: int,
    *,
    images: Sequence[int] = (),
    image_range: tuple[int, int] | None = None,
    max_images: int | None = None,
) -> Indices:
    """Return the selected frames (n,) of a run, numbered from 0, in ascending order.

    Parameters
    ----------
    images, image_range : numbers of images, or the first and the last; neither: all of the run.
    max_images : largest number of images, spread evenly from the first to the last.

    Raises
    ------
    ParameterError
        Both are given.
    InputError
        An image is not of the run.
    """
    first = experiment.first_image
    if images and image_range is not None:
        raise ParameterError("images and image_range are both given; give one of them")
    numbers = list(range(first, first + n_frames))
    if images:
        numbers = sorted(set(images))
    elif image_range is not None:
        numbers = list(range(image_range[0], image_range[1] + 1))
    if not numbers or numbers[0] < first or numbers[-1] >= first + n_frames:
        asked = ",".join(map(str, image_range or images))
        name = "image_range" if image_range is not None else "images"
        raise InputError(
            f"{experiment.run}: {name}={asked} is not within its images {first} to "
            f"{first + n_frames - 1}; give numbers of images, in ascending order"
        )
    frames = np.array(numbers, dtype=np.int64) - first
    if max_images is not None and len(frames) > max_images:
        frames = frames[np.rint(np.linspace(0, len(frames) - 1, max_images)).astype(np.int64)]
    return frames


def good_pixels(experiment: Experiment, mask: Mask | None) -> tuple[Mask, ...]:
    """Return the pixels (slow, fast) of each panel that are known to be good.

    mask : (slow, fast) of the stored frame, True is good; None for all.

    Raises
    ------
    InputError
        The mask does not hold the panels.
    """
    return panel_masks(experiment.detector, experiment.beam, mask, MaskParameters())


def trusted_counts(panel: Panel) -> tuple[int, int]:
    """Return the smallest and the largest trusted count of a panel."""
    low, high = panel.trusted_range
    # all that 32 bits hold, where there is no limit
    low, high = max(low, -(2.0**33)), min(high, 2.0**33)
    return int(np.floor(low)) + 1, int(np.ceil(high)) - 1


def require_counts(frames: Any, experiment: Experiment) -> None:
    """Check that frames are numbers and hold all panels; frames has a shape and a dtype.

    Raises
    ------
    InputError
        The frames are not integers or floating, or do not hold the panels.
    """
    shape = tuple(frames.shape)
    if len(shape) != 3:
        raise InputError(f"frames of {experiment.run} are {shape}; give (frame, slow, fast)")
    experiment.detector.require_room(shape, f"frames of {experiment.run} are")
    if frames.dtype.kind not in "iuf":
        raise InputError(
            f"frames of {experiment.run} are of dtype {frames.dtype}; pixels are judged by their "
            "counts: give integers or floating numbers"
        )


def fixed_point(
    image: NDArray[Any], good: Mask, trusted: tuple[int, int], factor: float
) -> tuple[NDArray[np.int64], Mask]:
    """Return floating counts (slow, fast) times a factor as integers, and the pixels to use.

    Sums of integers are exact, in any order. trusted : of `trusted_counts`; pixels outside, and
    those that are no number, are not used.
    """
    usable = np.isfinite(image) & (image > trusted[0] - 1) & (image < trusted[1] + 1)
    values = np.where(usable, image, 0.0).astype(np.float64)
    return np.rint(values * factor).astype(np.int64), np.asarray(good & usable)
