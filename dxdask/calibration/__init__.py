"""Calibration: what a detector recorded, as photons."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from dxdask.calibration.correct import (
    BAD_VALUE,
    calibrated_detector,
    common_modes,
    correct,
)
from dxdask.calibration.dark import Dark, dark_of_sums
from dxdask.calibration.dark_sums import dark_sums, outlier_frames, without
from dxdask.calibration.model import Calibration, calibration_of, panel_boxes
from dxdask.calibration.parameters import (
    CalibrationParameters,
    CommonModeParameters,
    DarkParameters,
)
from dxdask.models import Detector

__all__ = [
    "BAD_VALUE",
    "Calibration",
    "CalibrationParameters",
    "CommonModeParameters",
    "Dark",
    "DarkParameters",
    "calibrated_detector",
    "calibration_of",
    "common_modes",
    "correct",
    "panel_boxes",
    "pedestal",
]


def pedestal(
    frames: NDArray[Any], detector: Detector, parameters: DarkParameters | None = None
) -> Dark:
    """Return pedestal, noise and bad pixels of a dark run, in memory.

    frames : (n, slow, fast) integers as recorded, without X-rays. Frames that stand out of the
    others (X-rays on, dropped) are left out.

    Raises
    ------
    InputError
        Too few frames, or they hold no integers.
    """
    parameters = parameters or DarkParameters()
    boxes = panel_boxes(detector)
    sums = dark_sums(frames, boxes, range(len(frames)))
    bad = outlier_frames(sums, parameters.n_mad_frame)
    if len(bad):
        sums = without(sums, dark_sums(frames[bad], boxes, bad.tolist()))
    return dark_of_sums(sums, boxes, parameters, bad)
