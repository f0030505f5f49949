"""The gain of each run as a graph: the images that are looked at, then their median."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.analysis.gain import (
    ImageGain,
    image_gains,
    result_of_gains,
    sampled_frames,
)
from dxdask.analysis.images import require_counts
from dxdask.analysis.parameters import GainParameters
from dxdask.graphs.blocks import Block, block_ranges, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.models import Experiment
from dxdask.results import StepResult

if TYPE_CHECKING:
    import dask.array as da

Gains = tuple[ImageGain, ...]


def estimate_gain(
    frames: da.Array,
    experiment: Experiment,
    mask: NDArray[np.bool_] | None = None,
    parameters: GainParameters | None = None,
    *,
    fan_in: int = 8,
) -> Delayed:
    """Return the gain of one run as a Delayed `StepResult`, equal to
    `dxdask.analysis.estimate_gain`.

    frames : (frame, slow, fast), whole frames in each chunk. A frame that a `FrameBlock` marks as
    unreadable is a problem, no error.

    Tasks: 6 (experiment, parameters, mask, images, first frames, result) + 1 a block that holds any
    of the images looked at + `n_folds` of those + what the blocks of `frames` share (of a store's:
    2). A task holds one block.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        Frames do not hold the panels, or are no numbers.
    """
    parameters = parameters or GainParameters()
    require_counts(frames, experiment)
    models = literal(experiment)
    settings = literal(parameters)
    good = literal(mask)
    chosen = sampled_frames(experiment, frames.shape[0], parameters)
    numbers = set(chosen.tolist())
    parts = map_frames(
        _gains_of_block,
        frames,
        [models, good, settings, literal(numbers)],
        label="estimate-gain",
        used=[i for i, block in enumerate(block_ranges(frames)) if not numbers.isdisjoint(block)],
    )
    gains = tree_fold(parts, _join, fan_in=fan_in, label="join-gains", records=True)
    result: Delayed = delayed(_result, pure=True)(gains, models)
    return result


def _gains_of_block(
    block: Block,
    experiment: Experiment,
    mask: NDArray[np.bool_] | None,
    parameters: GainParameters,
    numbers: set[int],
) -> Gains:
    places = [i for i in range(len(block.frames)) if block.first + i in numbers]
    images = np.array(places, np.int64) + block.first + experiment.first_image
    failed = {i: block.unreadable[p] for i, p in enumerate(places) if p in block.unreadable}
    return image_gains(block.frames[places], images, experiment, mask, parameters, failed)


def _join(parts: list[Gains]) -> Gains:
    return tuple(gain for part in parts for gain in part)


def _result(gains: Any, experiment: Experiment) -> StepResult:
    return result_of_gains(gains, experiment)
