"""Spot finding as a graph: each block of frames alone, then spots joined across blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.graphs.blocks import Block, block_ranges, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.graphs.sampled_bad_pixels import sampled_bad_pixels
from dxdask.graphs.shoeboxes import pixels_around_spots
from dxdask.masking import panel_masks
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.filters import needs_surroundings
from dxdask.spotfinding.images import ZRange, first_z, is_used, z_ranges
from dxdask.spotfinding.inputs import check_inputs
from dxdask.spotfinding.parts import SpotPart, combine_parts, spots_of_block
from dxdask.spotfinding.result import result_of_part
from dxdask.spotfinding.sampled_bad_pixels import (
    SampledBadPixels,
    is_sampled,
    sampled_images,
    with_bad_pixels,
)
from dxdask.spotfinding.shoeboxes import Surroundings
from dxdask.spotfinding.workspaces import Workspaces

if TYPE_CHECKING:
    import dask.array as da

Masks = tuple[NDArray[np.bool_], ...]


def find_spots(
    frames: da.Array,
    experiment: Experiment,
    mask: NDArray[np.bool_] | da.Array | None = None,
    parameters: SpotfinderParameters | None = None,
    *,
    maps: PixelMaps | None = None,
    stored: da.Array | None = None,
    sample: da.Array | None = None,
    experiment_index: int = 0,
    fan_in: int = 8,
) -> Delayed:
    """Return the spots of one run as a Delayed `StepResult`, equal to
    `dxdask.spotfinding.find_spots`.

    frames : (frame, slow, fast), whole frames in each chunk. fan_in : parts joined by one task.
    maps : gain and pedestal of single pixels, in place of the panels'.
    stored : the same frames, from where they are read once more, when all spots are found, for
    `output.shoeboxes` and `filter.background_gradient`; None for `frames`.
    sample : of stills the frames `sampled_images`, by which bad pixels are found; None: taken out
    of `frames`.
    The other parameters are those of the step. A frame that a `FrameBlock` marks as unreadable is a
    problem, no error.

    Tasks: 7 (experiment, parameters, masks, ranges, workspaces, first frames, result; 8 with maps)
    + 1 a block that `scan_range` leaves any frame of + `n_folds` of those + what the blocks of
    `frames` share (of a store's: 2). A task holds one block; what it hands on are strong pixels.
    Where frames are read once more, those of `pixels_around_spots` come on top; of stills those of
    `sampled_bad_pixels` + 1 (masks).

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        Frames or maps do not fit the detector or the scan, or `scan_range` leaves the run.
    """
    parameters = parameters or SpotfinderParameters()
    check_inputs(frames.shape, experiment, parameters, dtype=frames.dtype, mask=mask, maps=maps)
    models = literal(experiment)
    settings = literal(parameters)
    masks = delayed(_masks, pure=True)(models, mask, settings)
    by_pixel = None if maps is None or not maps.are_given else literal(maps)
    sampled = None
    if is_sampled(experiment, parameters):
        if sample is None:
            sample = _images(frames, sampled_images(experiment, parameters, frames.shape[0]))
        sampled = sampled_bad_pixels(sample, models, masks, settings, maps=by_pixel, fan_in=fan_in)
        masks = delayed(SampledBadPixels.of_panels, pure=True)(sampled, masks, models)
        settings = literal(parameters.model_copy(update={"mask_bad_pixels": False}))
    # of this run only: thresholds are made for its models, mask and parameters
    token = tokenize(masks.key, None if by_pixel is None else by_pixel.key)
    workspaces = delayed(Workspaces)(dask_key_name=f"workspaces-{token}")
    z0, ranges = first_z(experiment), z_ranges(experiment, parameters, frames.shape[0])
    looked_at = literal(ranges)
    parts = map_frames(
        _spots_of_block,
        frames,
        [models, masks, settings, looked_at, workspaces, *([] if by_pixel is None else [by_pixel])],
        label="find-spots",
        used=[
            number
            for number, block in enumerate(block_ranges(frames))
            if any(is_used(z0 + i, ranges) for i in block)
        ],
    )
    whole = tree_fold(parts, combine_parts, fan_in=fan_in, label="join-spots", records=True)
    around = None
    if needs_surroundings(parameters):
        again = frames if stored is None else stored
        around = pixels_around_spots(
            again, whole, models, masks, settings, maps=by_pixel, fan_in=fan_in
        )
    result: Delayed = delayed(_result, pure=True)(
        whole,
        models,
        settings,
        experiment_index,
        tuple(map(int, frames.shape[1:])),
        around,
        sampled,
    )
    return result


def _images(frames: da.Array, images: Sequence[int]) -> da.Array:
    """Return some of the frames; by slices, which keep the reasons of a `FrameBlock`."""
    import dask.array as da

    if len(images) == frames.shape[0]:
        return frames
    some: da.Array = da.concatenate([frames[i : i + 1] for i in images])  # type: ignore[no-untyped-call]
    return some


def _masks(
    experiment: Experiment, mask: NDArray[np.bool_] | None, parameters: SpotfinderParameters
) -> Masks:
    return panel_masks(experiment.detector, experiment.beam, mask, parameters.filter)


def _spots_of_block(
    block: Block,
    experiment: Experiment,
    masks: Masks,
    parameters: SpotfinderParameters,
    ranges: Sequence[ZRange],
    workspaces: Workspaces,
    maps: PixelMaps | None = None,
) -> SpotPart:
    z = first_z(experiment) + block.first
    with workspaces.lend() as workspace:
        return spots_of_block(
            (FramePiece(z, block.frames, block.unreadable),),
            experiment,
            masks,
            parameters,
            first_z=z,
            n_frames=len(block.frames),
            ranges=ranges,
            maps=maps,
            workspace=workspace,
        )


def _result(
    part: SpotPart,
    experiment: Experiment,
    parameters: SpotfinderParameters,
    experiment_index: Any,
    frame_shape: Any,
    around: Surroundings | None,
    sampled: SampledBadPixels | None,
) -> StepResult:
    result = result_of_part(
        part,
        experiment,
        parameters,
        experiment_index=experiment_index,
        around=around,
        frame_shape=tuple(frame_shape),
    )
    return result if sampled is None else with_bad_pixels(result, sampled, experiment)
