"""The mean of some images of a run as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.analysis.images import chosen_frames, good_pixels, require_counts, trusted_counts
from dxdask.arrays import Floats, sum_of_records
from dxdask.errors import InputError
from dxdask.graphs.blocks import Block, block_ranges, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.models import Experiment

if TYPE_CHECKING:
    import dask.array as da


class Sum(NamedTuple):
    """Sums over images.

    Attributes
    ----------
    counts : (slow, fast), int64 or, of frames of floats, float64.
    n : (slow, fast), the number of images that have any.
    """

    counts: NDArray[Any]
    n: NDArray[np.int32]


def mean_image(
    frames: da.Array,
    experiment: Experiment,
    mask: NDArray[np.bool_] | None = None,
    *,
    max_images: int,
    fan_in: int = 8,
) -> Delayed:
    """Return the mean (slow, fast) float64 of at most `max_images` frames, spread over the run.

    NaN where no pixel is good and within the trusted range. Sums of counts are those of integers,
    which do not depend on blocks.

    frames : (frame, slow, fast), whole frames in each chunk; unreadable ones are left out.

    Tasks: 5 (experiment, mask, images, first frames, mean) + 1 a block that holds any of the images
    + `n_folds` of those + what the blocks of `frames` share. A task holds one block.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        Frames do not hold the panels, or are no counts.
    """
    require_counts(frames, experiment)
    chosen = chosen_frames(experiment, frames.shape[0], max_images=max_images)
    numbers = set(chosen.tolist())
    parts = map_frames(
        _sum_of_block,
        frames,
        [literal(experiment), literal(mask), literal(numbers)],
        label="sum-images",
        used=[i for i, block in enumerate(block_ranges(frames)) if not numbers.isdisjoint(block)],
    )
    total = tree_fold(parts, sum_of_records, fan_in=fan_in, label="add-images", records=True)
    result: Delayed = delayed(_mean, pure=True)(total)
    return result


def _sum_of_block(
    block: Block, experiment: Experiment, mask: NDArray[np.bool_] | None, numbers: set[int]
) -> Sum:
    shape = block.frames.shape[1:]
    kind = np.int64 if block.frames.dtype.kind in "iu" else np.float64
    counts, n = np.zeros(shape, kind), np.zeros(shape, np.int32)
    good = good_pixels(experiment, mask)
    for i, frame in enumerate(block.frames):
        if block.first + i not in numbers or i in block.unreadable:
            continue
        for usable, panel in zip(good, experiment.detector.panels, strict=True):
            low, high = trusted_counts(panel)
            part = frame[panel.slices]
            used = usable & (part >= low) & (part <= high)
            counts[panel.slices] += np.where(used, part, 0).astype(kind)
            n[panel.slices] += used
    return Sum(counts, n)


def _mean(total: Sum) -> Floats:
    if not total.n.any():
        raise InputError("no image has a pixel that is measured: check the mask and the frames")
    return np.where(total.n > 0, total.counts / np.maximum(total.n, 1), np.nan)
