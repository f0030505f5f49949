"""The gain of each run as a graph: the images that are looked at, then their median."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.analysis.gain import (
    ImageGain,
    combine_gains,
    image_gains,
    result_of_gains,
    sampled_frames,
)
from dxdask.analysis.images import require_counts
from dxdask.analysis.parameters import GainParameters
from dxdask.graphs.blocked import Frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.models import Experiment
from dxdask.results import StepResult

Gains = tuple[ImageGain, ...]


def estimate_gain(
    frames: Frames,
    experiment: Experiment,
    mask: NDArray[np.bool_] | None = None,
    parameters: GainParameters | None = None,
    *,
    fan_in: int = 8,
) -> Delayed:
    """Return the gain of one run as a Delayed `StepResult`, equal to
    `dxdask.analysis.estimate_gain`.

    frames : (frame, slow, fast), whole frames in each chunk. A frame that cannot be read is a
    problem, no error.

    Tasks: 4 (experiment, parameters, mask, result) + 2 a group of blocks (see `frame_blocks`) that
    holds any of the images looked at + `n_folds` of those. A task holds one block of the array.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        Frames do not hold the panels, or are not integers.
    """
    parameters = parameters or GainParameters()
    require_counts(frames, experiment)
    models = delayed(experiment, name=None, pure=True, traverse=False)
    settings = delayed(parameters, name=None, pure=True, traverse=False)
    good = delayed(mask, name=None, pure=True, traverse=False)
    chosen = sampled_frames(experiment, frames.shape[0], parameters)
    part, blocks = delayed(_part, pure=True), frame_blocks(frames, grouped=True)
    stops = [*(first for _, first in blocks[1:]), frames.shape[0]]
    mine = [
        chosen[(chosen >= first) & (chosen < stop)].tolist()
        for (_, first), stop in zip(blocks, stops, strict=True)
    ]
    parts = [
        part(block, models, good, settings, indices)
        for (block, _), indices in zip(blocks, mine, strict=True)
        if indices
    ]
    told = tree_fold(parts, _join, fan_in=fan_in, label="join-gains")
    result: Delayed = delayed(_result, pure=True)(told, models)
    return result


def combine(results: Sequence[Delayed]) -> Delayed:
    """Return the gains of some runs as a Delayed `StepResult` from those of each, in order."""
    combined: Delayed = delayed(combine_gains, pure=True)(list(results))
    return combined


def _part(
    block: FrameBlock,
    experiment: Experiment,
    mask: NDArray[np.bool_] | None,
    parameters: GainParameters,
    chosen: list[int],
) -> Gains:
    found: list[ImageGain] = []
    for piece in block.pieces():
        places = [i - piece.first for i in chosen if 0 <= i - piece.first < len(piece)]
        if places:
            frames, unread = piece.read_all_it_can()
            images = np.array(places, np.int64) + piece.first + experiment.first_image
            failed = {i: unread[p] for i, p in enumerate(places) if p in unread}
            found += image_gains(frames[places], images, experiment, mask, parameters, failed)
    return tuple(found)


def _join(parts: list[Gains]) -> Gains:
    return tuple(gain for part in parts for gain in part)


def _result(told: Any, experiment: Experiment) -> StepResult:
    return result_of_gains(told, experiment)
