"""Whether frames, models and parameters fit each other, before anything is read."""

from __future__ import annotations

from typing import Any

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.spotfinding.images import z_ranges
from dxdask.spotfinding.panel_pixels import require_inside
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import size_limits


def check_inputs(
    shape: tuple[int, ...],
    experiment: Experiment,
    parameters: SpotfinderParameters,
    *,
    mask: Any = None,
    gain_map: Any = None,
) -> None:
    """Check what spot finding is given for a run; computes nothing.

    shape : (frame, slow, fast) of the frames. mask, gain_map : (slow, fast) or None; of a lazy one
    its shape is looked at.

    Raises
    ------
    InputError
        Frames, mask or gain map do not fit the detector, or frames the scan; `scan_range` leaves
        the run or `region_of_interest` a panel; no spot could have the right size.
    """
    rows, columns = experiment.detector.frame_shape
    if len(shape) != 3 or shape[1] < rows or shape[2] < columns:
        raise InputError(
            f"frames of {experiment.run} are {shape}, the panels of its detector take up "
            f"{(rows, columns)} (slow, fast); give (frame, slow, fast)"
        )
    scan = experiment.scan
    if scan is not None and scan.n_images != shape[0]:
        raise InputError(
            f"{experiment.run} has {shape[0]} frames, its scan {scan.n_images} images "
            f"{scan.image_range}; give all frames of the scan"
        )
    for what, given in (("mask", mask), ("gain map", gain_map)):
        size = getattr(given, "shape", None)
        if size is not None and (len(size) != 2 or size[0] < rows or size[1] < columns):
            raise InputError(
                f"{what} of {experiment.run} is {size}, the panels of its detector take up "
                f"{(rows, columns)} (slow, fast); give one of the size of the frames"
            )
    z_ranges(experiment, parameters, shape[0])
    size_limits(experiment.detector, parameters)
    for panel in experiment.detector.panels:
        require_inside(parameters.region_of_interest, panel)
