"""Integration of runs: each block of frames is read once, in the task that adds up its counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed
from dask.graph_manipulation import clone
from numpy.typing import NDArray

from dxdask.arrays import sum_of_records
from dxdask.columns import Reflections
from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.integration import local_profile
from dxdask.integration.background_shape import (
    BackgroundSums,
    sum_background,
    with_background_shape,
)
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import (
    IntegrationContext,
    integration_context,
    learns,
    usable_pixels,
)
from dxdask.integration.learnt_profile import with_best_profile
from dxdask.integration.parameters import BackgroundParameters, IntegrationParameters
from dxdask.integration.prediction import predict_from_parameters
from dxdask.integration.profile_sums import ProfileSums, add_profile_sums, sum_profiles
from dxdask.integration.result import finish
from dxdask.integration.sums import PixelSums
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.response import DetectorResponse
from dxdask.results import StepResult

if TYPE_CHECKING:
    import dask.array as da

# backgrounds of a run take the room of some frames, so that few are held at a time
BACKGROUND_FAN_IN = 3

Problems: TypeAlias = tuple[Mapping[str, Any], ...]
BlockRecord: TypeAlias = tuple[PixelSums, Problems]


def predict(
    experiment: Delayed | Experiment,
    parameters: IntegrationParameters,
    *,
    experiment_index: int = 0,
) -> Delayed:
    """Return the reflections of one run, a table. Tasks: 1."""
    lazy: Delayed = delayed(predict_from_parameters, pure=True)(
        experiment, parameters, experiment_index
    )
    return lazy


def integrate(
    frames: da.Array,
    mask: NDArray[np.bool_] | Delayed | None,
    experiment: Experiment | Delayed,
    parameters: IntegrationParameters | None = None,
    *,
    predicted: Reflections | Delayed | None = None,
    experiment_index: int = 0,
    local: local_profile.LocalProfile | Delayed | None = None,
    maps: PixelMaps | None = None,
    response: DetectorResponse | Delayed | None = None,
    fan_in: int = 8,
) -> Delayed:
    """Return the integrated reflections of one run, as `integration.integrate` does.

    Parameters
    ----------
    frames : (frame, slow, fast) counts, chunked along frame only.
    mask : (slow, fast) bool, True is good; None for all.
    experiment : with crystal, scan, goniometer and profile; may itself be still to be computed.
    parameters : None for the defaults.
    predicted : from `predict`; None to predict in the same graph.
    experiment_index : what the column `experiment` is to hold, where predicted here.
    local : of the run, one of `local_profiles`.
    maps : gain and pedestal of single pixels, in place of the panels'.
    response : of the detector, for whole counts; None: counts are linear.
    fan_in : how many blocks' records one task of the fold holds.

    Returns
    -------
    Delayed
        Tasks: 6 (mask, usable pixels, predict, context, first frames, finish; 7 with maps) + 1 a
        block + `n_folds` of those + what the blocks of `frames` share (of a store's: 2). The result
        is the same to the last bit for any chunks. Profiles that may be learnt are another pass
        over the frames, and 1 + its first frames, blocks and folds more; so is the background of
        the run (`background.algorithm=gmodel`), whose records hold twelve bytes a pixel and are
        folded by `BACKGROUND_FAN_IN`. A task
        holds one block, and five bytes per pixel of a frame; the last holds the table of the run,
        some 300 bytes a reflection. A frame that a `FrameBlock` marks as unreadable is a problem of
        the result, and its reflections are not integrated.

    Raises
    ------
    ChunkError
        A chunk does not hold whole frames.
    """
    parameters = parameters or IntegrationParameters()
    if not isinstance(mask, Delayed):
        mask = delayed(mask, pure=True, traverse=False)
    good = delayed(usable_pixels, pure=True)(mask, experiment, frames.shape[1:])
    if predicted is None:
        predicted = predict(experiment, parameters, experiment_index=experiment_index)
    elif not isinstance(predicted, Delayed):
        predicted = delayed(predicted, pure=True, traverse=False)
    by_pixel = None if maps is None or not maps.are_given else literal(maps)
    context = delayed(integration_context, pure=True)(
        predicted,
        experiment,
        parameters,
        local=local,
        n_frames=frames.shape[0],
        maps=by_pixel,
        response=response,
    )
    if parameters.background.algorithm == "gmodel":
        backgrounds = map_frames(
            _background_of_block,
            clone(frames, seed="background"),
            [context, good, literal(experiment)],
            label="background",
        )
        total = tree_fold(
            backgrounds,
            sum_of_records,
            fan_in=BACKGROUND_FAN_IN,
            label="background-add",
            records=True,
        )
        context = delayed(with_background_shape, pure=True)(context, total, experiment)
    if learns(parameters.profile):
        # read again: blocks that two passes share would be in memory until the second
        first_pass = map_frames(
            _profiles_of_block, clone(frames, seed="learn"), [context, good], label="learn-profiles"
        )
        learnt = tree_fold(
            first_pass, add_profile_sums, fan_in=fan_in, label="learn-profiles-add", records=True
        )
        context = delayed(with_best_profile, pure=True)(context, learnt, frames.shape[1:])
    sums = map_frames(_sums_of_block, frames, [context, good], label="integrate")
    record = tree_fold(
        sums,
        partial(_merge, background=parameters.background),
        fan_in=fan_in,
        label="integrate-merge",
        records=True,
    )
    result: Delayed = delayed(_finish, pure=True)(record, predicted, context, experiment)
    return result


def _background_of_block(
    block: Block, context: IntegrationContext, mask: NDArray[np.bool_], experiment: Experiment
) -> BackgroundSums:
    return sum_background(
        block.frames, block.first, context, mask, experiment.detector, unreadable=block.unreadable
    )


def _profiles_of_block(
    block: Block, context: IntegrationContext, mask: NDArray[np.bool_]
) -> ProfileSums:
    return sum_profiles(block.frames, block.first, context, mask, unreadable=block.unreadable)


def _sums_of_block(
    block: Block, context: IntegrationContext, mask: NDArray[np.bool_]
) -> BlockRecord:
    sums = sum_block(block.frames, block.first, context, mask, unreadable=block.unreadable)
    image = context.shapes.first + block.first + 1
    problems = tuple(
        {"run": context.run, "image": image + i, "step": "integrate", "reason": reason}
        for i, reason in sorted(block.unreadable.items())
    )
    return sums, problems


def _merge(records: list[BlockRecord], background: BackgroundParameters) -> BlockRecord:
    sums = combine_sums([s for s, _ in records], background)
    return sums, tuple(p for _, problems in records for p in problems)


def _finish(
    record: BlockRecord, predicted: Reflections, context: IntegrationContext, experiment: Experiment
) -> StepResult:
    return finish(record[0], predicted, context, experiment, record[1])
