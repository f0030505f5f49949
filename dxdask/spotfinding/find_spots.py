"""The step `find_spots` in memory: the strong spots of one run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.masking import panel_masks
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.results import StepResult
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.filters.keep_spots import needs_surroundings
from dxdask.spotfinding.images import first_z, z_ranges
from dxdask.spotfinding.inputs import check_inputs
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import spots_of_block
from dxdask.spotfinding.result import boxes_to_cut, result_of_part
from dxdask.spotfinding.sampled_bad_pixels import (
    bad_pixels_of_sample,
    evidence_of_images,
    is_sampled,
    sampled_images,
    with_bad_pixels,
)
from dxdask.spotfinding.shoeboxes import assemble, cut_boxes


def find_spots(
    frames: NDArray[Any],
    experiment: Experiment,
    mask: NDArray[np.bool_] | None = None,
    parameters: SpotfinderParameters | None = None,
    *,
    maps: PixelMaps | None = None,
    experiment_index: int = 0,
) -> StepResult:
    """Find the strong spots of one run, in memory.

    Parameters
    ----------
    frames : (frame, slow, fast), counts, all frames of the run.
    experiment : its models; panels are cut out of the frame, the scan gives z of the first frame.
    mask : (slow, fast), True is good; None for all.
    parameters : default those of DIALS.
    maps : gain and pedestal of single pixels, in place of the panels'.
    experiment_index : value of the column `experiment`.

    Returns
    -------
    StepResult
        reflections : experiment, panel, flags, x, y, z and their variances, bbox, n_pixels, peak,
        intensity_sum and its variance, photons (background included), by panel and first pixel.
        arrays : pixel_offsets (n + 1,), pixel_x, pixel_y, pixel_z, pixel_value (m,): the strong
        pixels of each spot; with `output.shoeboxes` also those of
        `dxdask.spotfinding.shoeboxes.shoeboxes_of`. tables : images; with `per_image_statistics`
        image_statistics. With `write_hot_mask` arrays also hold hot_mask (slow, fast), false where
        a pixel is strong on every image. problems : images that could not be used.

    Raises
    ------
    InputError
        The frames are of a dtype that kernels do not take; they or the mask do not fit the
        detector, or the range of images leaves the run.
    """
    parameters = parameters or SpotfinderParameters()
    check_inputs(frames.shape, experiment, parameters, dtype=frames.dtype, mask=mask, maps=maps)
    z0, detector = first_z(experiment), experiment.detector
    masks = panel_masks(detector, experiment.beam, mask, parameters.filter)
    shape = (frames.shape[1], frames.shape[2])
    sampled = None
    if is_sampled(experiment, parameters):
        images = sampled_images(experiment, parameters, len(frames))
        seen = evidence_of_images(frames[images], 0, experiment, masks, parameters, maps=maps)
        sampled = bad_pixels_of_sample(seen, experiment, shape)
        masks = sampled.of_panels(masks, experiment)
        parameters = parameters.model_copy(update={"mask_bad_pixels": False})
    part = spots_of_block(
        (FramePiece(z0, frames),),
        experiment,
        masks,
        parameters,
        first_z=z0,
        n_frames=len(frames),
        ranges=z_ranges(experiment, parameters, len(frames)),
        maps=maps,
    )
    around = None
    if needs_surroundings(parameters):
        boxes = boxes_to_cut(part, experiment, parameters)
        cut = cut_boxes(frames, boxes, detector, masks, parameters, first_z=z0, maps=maps)
        around = assemble(cut, boxes)
    result = result_of_part(
        part,
        experiment,
        parameters,
        experiment_index=experiment_index,
        frame_shape=shape,
        around=around,
    )
    return result if sampled is None else with_bad_pixels(result, sampled, experiment)
