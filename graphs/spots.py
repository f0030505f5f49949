"""Spot finding as a graph: each block of frames alone, then spots joined across blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.masking import panel_masks
from dxdask.models import Experiment
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters, check_frames
from dxdask.spotfinding import combine as combine_runs
from dxdask.spotfinding.images import first_z, is_two_d, unused_frames
from dxdask.spotfinding.parts import SpotPart, join_parts, spots_of_block
from dxdask.spotfinding.result import result_of_part

Masks = tuple[NDArray[np.bool_], ...]


def find_spots(
    frames: da.Array,
    experiment: Experiment,
    mask: NDArray[np.bool_] | da.Array | None = None,
    parameters: SpotfinderParameters | None = None,
    *,
    experiment_index: int = 0,
    fan_in: int = 8,
) -> Delayed:
    """Return the spots of one run as a Delayed `StepResult`, equal to
    `dxdask.spotfinding.find_spots`.

    frames : (frame, slow, fast), whole frames in each chunk. fan_in : parts joined by one task.
    The other parameters are those of the step. A frame that cannot be read is a problem, no error.

    Tasks: 4 (experiment, parameters, masks, result) + 2 a block that `scan_range` leaves any frame
    of + `n_folds` of those. What travels between tasks are strong pixels; a task holds one block.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        Frames do not fit the detector or the scan, or `scan_range` leaves the run.
    """
    parameters = parameters or SpotfinderParameters()
    check_frames(frames.shape, experiment)
    models = delayed(experiment, name=None, pure=True, traverse=False)
    settings = delayed(parameters, name=None, pure=True, traverse=False)
    masks = delayed(_masks, pure=True)(models, mask, settings)
    part = delayed(_part, pure=True)
    z0, n_run = first_z(experiment), frames.shape[0]
    parts = []
    for (block, first), n in zip(frame_blocks(frames), frames.chunks[0], strict=True):
        skip = unused_frames(n, z0 + first, parameters, first_of_run=z0, n_run=n_run)
        if len(skip) < n:
            parts.append(part(block, models, masks, settings, sorted(skip)))
    whole = tree_fold(parts, join_parts, fan_in=fan_in, label="join-spots")
    result: Delayed = delayed(_result, pure=True)(whole, models, settings, experiment_index)
    return result


def combine(results: Sequence[Delayed]) -> Delayed:
    """Return the spots of an ensemble as a Delayed `StepResult` from those of its runs, in order.

    It holds the spots of all runs and their pixels: some 20 bytes a strong pixel, 200 a spot.
    """
    combined: Delayed = delayed(combine_runs, pure=True)(list(results))
    return combined


def _masks(
    experiment: Experiment, mask: NDArray[np.bool_] | None, parameters: SpotfinderParameters
) -> Masks:
    return panel_masks(experiment.detector, experiment.beam, mask, parameters.filter)


def _part(
    block: FrameBlock,
    experiment: Experiment,
    masks: Masks,
    parameters: SpotfinderParameters,
    skip: list[int],
) -> SpotPart:
    frames, unread = block.read_all_it_can()
    z = first_z(experiment) + block.first
    return spots_of_block(
        frames,
        experiment.detector,
        masks,
        parameters,
        first_z=z,
        two_d=is_two_d(experiment, parameters),
        skip=frozenset(skip),
        unread=unread,
    )


def _result(
    part: SpotPart, experiment: Experiment, parameters: SpotfinderParameters, experiment_index: Any
) -> StepResult:
    return result_of_part(part, experiment, parameters, experiment_index=experiment_index)
