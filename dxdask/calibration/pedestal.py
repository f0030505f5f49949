"""The step `pedestal` in memory: pedestal, noise and bad pixels of a dark run."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from dxdask.calibration.dark import Dark, dark_of_sums
from dxdask.calibration.dark_sums import dark_sums, outlier_frames, without
from dxdask.calibration.model import panel_boxes
from dxdask.calibration.parameters import DarkParameters
from dxdask.calibration.result import dark_result
from dxdask.models import Detector, Experiment
from dxdask.results import StepResult


def pedestal(
    frames: NDArray[Any], experiment: Experiment, parameters: DarkParameters | None = None
) -> StepResult:
    """Return the result of the step: pedestal, noise and bad pixels of a dark run.

    Parameters
    ----------
    frames : (n, slow, fast) integers as recorded, without X-rays.
    experiment : its detector and the name of its run are used.
    parameters : None for the defaults.

    Returns
    -------
    StepResult
        See `dxdask.calibration.result.dark_result`.

    Raises
    ------
    InputError
        Too few frames, or they are not integers.
    """
    return dark_result(reduce_dark_run(frames, experiment.detector, parameters), experiment)


def reduce_dark_run(
    frames: NDArray[Any], detector: Detector, parameters: DarkParameters | None = None
) -> Dark:
    """Return pedestal, noise and bad pixels of a dark run.

    frames : (n, slow, fast) integers as recorded, without X-rays. Frames that are outliers among
    the others (X-rays on, dropped) are rejected.

    Raises
    ------
    InputError
        Too few frames, or they are not integers.
    """
    parameters = parameters or DarkParameters()
    boxes = panel_boxes(detector)
    sums = dark_sums(frames, boxes, range(len(frames)))
    bad = outlier_frames(sums, parameters.n_mad_frame)
    if len(bad):
        sums = without(sums, dark_sums(frames[bad], boxes, bad.tolist()))
    return dark_of_sums(sums, boxes, parameters, bad)
