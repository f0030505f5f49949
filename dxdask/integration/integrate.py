"""The step `integrate` for one run, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.integration.background_shape import sum_background, with_background_shape
from dxdask.integration.blocks import sum_block
from dxdask.integration.context import integration_context, learns, usable_pixels
from dxdask.integration.learnt_profile import with_best_profile
from dxdask.integration.local_profile import LocalProfile
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict_from_parameters
from dxdask.integration.profile_sums import sum_profiles
from dxdask.integration.result import finish
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.response import DetectorResponse
from dxdask.results import StepResult


def integrate(
    frames: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    experiment: Experiment,
    predicted: Reflections | None = None,
    parameters: IntegrationParameters | None = None,
    *,
    experiment_index: int = 0,
    local: LocalProfile | None = None,
    maps: PixelMaps | None = None,
    response: DetectorResponse | None = None,
) -> StepResult:
    """Integrate the reflections of one run by summation and by profile fitting.

    Parameters
    ----------
    frames : (frame, slow, fast) counts; one per image of the scan.
    mask : (slow, fast) bool, True is good; None for all.
    experiment : with crystal, scan, goniometer and profile.
    predicted : from `predict` with the same experiment; None to predict them here.
    parameters : None for the defaults.
    experiment_index : value of the column `experiment`, without `predicted`.
    local : centres and widths of the fitted profiles, from `local_profiles`; None: the predicted
        centres and the widths of the experiment's profile.
    maps : gain and pedestal of single pixels, in place of the panels'.
    response : of the detector, for whole counts; None: counts are linear.

    Returns
    -------
    StepResult
        reflections as predicted, with the columns of the summation and of the fit; tables
        `summary`, `shells`, `images`, `profile`.

    Raises
    ------
    InputError
        Frames, mask, detector and scan do not match, or the experiment lacks a model.
    """
    parameters = parameters or IntegrationParameters()
    if predicted is None:
        predicted = predict_from_parameters(experiment, parameters, experiment_index)
    context = integration_context(
        predicted,
        experiment,
        parameters,
        local=local,
        n_frames=len(frames),
        maps=maps,
        response=response,
    )
    good = usable_pixels(mask, experiment, frames.shape[1:])
    if parameters.background.algorithm == "gmodel":
        total = sum_background(frames, 0, context, good, experiment.detector)
        context = with_background_shape(context, total, experiment)
    if learns(parameters.profile):
        context = with_best_profile(
            context, sum_profiles(frames, 0, context, good), frames.shape[1:]
        )
    return finish(sum_block(frames, 0, context, good), predicted, context, experiment)
