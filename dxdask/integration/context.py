"""Constants of a run that every block of its frames shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.geometry.required import require_rotation
from dxdask.integration.boxes import Ellipsoids, ellipsoids
from dxdask.integration.dead_time import DeadTime, dead_time_of
from dxdask.integration.local_profile import LocalProfile
from dxdask.integration.parameters import (
    BackgroundParameters,
    CorrectionParameters,
    IntegrationParameters,
    ProfileParameters,
)
from dxdask.integration.photons import Photons, photons_of
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.response import DetectorResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegrationContext:
    """Constants of a run that every block of its frames shares.

    Attributes
    ----------
    run : name.
    shapes : of all reflections of the run.
    photons : how counts become photons, and which are valid.
    background : its parameters.
    fit : parameters of the profiles.
    corrections : that are in the columns lp and qe.
    note : message of the choice of the profile; empty without one.
    dead_time : that counts are corrected for; None: they are not. count_rate : what was decided.
    background_shape : (slow, fast), of the background of the run; None: it has no model.
    """

    run: str
    shapes: Ellipsoids
    photons: Photons
    background: BackgroundParameters
    fit: ProfileParameters
    corrections: CorrectionParameters
    note: str = ""
    dead_time: DeadTime | None = None
    count_rate: str = ""
    background_shape: NDArray[np.float32] | None = None


def learns(fit: ProfileParameters) -> bool:
    """Return True if a pass over the frames is to learn profiles."""
    return fit.fitting and fit.algorithm != "gaussian"


def usable_pixels(
    mask: NDArray[np.bool_] | None, experiment: Experiment, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the usable pixels (slow, fast), True is good.

    mask : (slow, fast) of the stored frame, None for all; the masked rectangles of the detector's
        panels are not usable either.

    Raises
    ------
    InputError
        Mask and frames differ in shape, or the frames do not contain all panels.
    """
    run, (rows, columns) = experiment.run, experiment.detector.frame_shape
    if shape[0] < rows or shape[1] < columns:
        raise InputError(
            f"run {run}: frames of {shape} do not contain all panels of the detector, which take "
            f"{(rows, columns)}; check the image size and offsets of its panels"
        )
    if mask is not None and mask.shape != shape:
        raise InputError(f"run {run}: mask {mask.shape} and frames {shape} must agree in shape")
    good = np.ones(shape, dtype=np.bool_) if mask is None else mask.copy()
    for panel in experiment.detector.panels:
        for x0, y0, x1, y1 in panel.mask:
            good[panel.slices][y0:y1, x0:x1] = False
    return good


def integration_context(
    predicted: Reflections,
    experiment: Experiment,
    parameters: IntegrationParameters,
    *,
    local: LocalProfile | None = None,
    n_frames: int | None = None,
    maps: PixelMaps | None = None,
    response: DetectorResponse | None = None,
) -> IntegrationContext:
    """Return the context of the reflections that `predict` gives for this experiment.

    local : centres and widths of the fitted profiles; None: as predicted. maps : gain and pedestal
    of single pixels, in place of the panels'. response : of the detector; None: counts are linear.

    Raises
    ------
    InputError
        The run has not `n_frames` images or no profile; a map does not fit; a correction for the
        dead time is asked for that is not possible.
    """
    n_images = require_rotation(experiment).scan.n_images
    if n_frames is not None and n_frames != n_images:
        raise InputError(
            f"run {experiment.run} has {n_frames} frames, its scan has {n_images}; give all"
        )
    shapes = ellipsoids(predicted, experiment, local)
    photons = photons_of(experiment.detector, maps, response)
    dead_time, count_rate = dead_time_of(experiment, photons, parameters.corrections)
    return IntegrationContext(
        run=experiment.run,
        shapes=shapes,
        photons=photons,
        background=parameters.background,
        fit=parameters.profile,
        corrections=parameters.corrections,
        dead_time=dead_time,
        count_rate=count_rate,
    )
