"""Checks that frames, models and parameters agree, before anything is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps, require_maps_of
from dxdask.spotfinding.images import z_ranges
from dxdask.spotfinding.panel_pixels import require_inside
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import size_limits


def check_inputs(
    shape: tuple[int, ...],
    experiment: Experiment,
    parameters: SpotfinderParameters,
    *,
    dtype: np.dtype[Any] | None = None,
    mask: Any = None,
    maps: PixelMaps | None = None,
) -> None:
    """Check the input of spot finding for a run; computes nothing.

    shape : (frame, slow, fast) of the frames. dtype : of the frames; None where calibration makes
    them of the right one. mask : (slow, fast) or None, possibly lazy: only its shape is used.
    maps : gain and pedestal of single pixels.

    Raises
    ------
    InputError
        A file name is given in place of an array; the dtype of the frames is not supported;
        frames, mask or maps do not fit the detector, or frames the scan; `scan_range` is not
        within the run or `region_of_interest` not on a panel; no spot size is within the limits.
    """
    for name in type(parameters.lookup).model_fields:
        if getattr(parameters.lookup, name) is not None:
            raise InputError(
                f"lookup.{name}={getattr(parameters.lookup, name)} is for `dxdask find_spots`, "
                f"which reads it; here give its values as `mask` or `maps`"
            )
    run, detector = experiment.run, experiment.detector
    if len(shape) != 3:
        raise InputError(f"frames of {run} are {shape}; give (frame, slow, fast)")
    if dtype is not None:
        _require_counts(dtype, run)
    detector.require_room(shape, f"frames of {run} are")
    scan = experiment.scan
    if scan is not None and scan.n_images != shape[0]:
        raise InputError(
            f"{run} has {shape[0]} frames, its scan {scan.n_images} images "
            f"{scan.image_range}; give all frames of the scan"
        )
    size = getattr(mask, "shape", None)
    if size is not None and len(size) != 2:
        raise InputError(f"mask of {run} is {size}; give (slow, fast)")
    if size is not None:
        detector.require_room(size, f"mask of {run} is")
    require_maps_of(detector, maps or PixelMaps(), run)
    z_ranges(experiment, parameters, shape[0])
    size_limits(detector, parameters)
    for panel in detector.panels:
        require_inside(parameters.region_of_interest, panel)


def _require_counts(dtype: np.dtype[Any], run: str) -> None:
    """Check that frames are integers, float32 or float64 of this machine's byte order."""
    is_real = dtype in (np.dtype(np.float32), np.dtype(np.float64))
    if not (is_real or dtype.kind in "iu") or not dtype.isnative:
        raise InputError(
            f"frames of {run} are {dtype.str} ({dtype.name}); give integers, float32 or float64 of "
            "this machine's byte order, e.g. frames.astype(numpy.float32)"
        )
