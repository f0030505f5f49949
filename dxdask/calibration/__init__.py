"""Calibration: raw pixel values to photons.

pedestal : the step, in memory; `dxdask.graphs.dark` runs the same functions in tasks.
parameters : `CalibrationParameters`, and those of dark runs and of the common mode.
dark_sums : sums over the frames of a dark run.
dark : pedestal, noise and bad pixels from these sums.
result : a reduced dark run as a `StepResult`.
model : pedestal, noise, gain and use of each pixel.
common_mode : the offset of each panel in each event.
photon_peaks : the fit of the photon peaks of a panel's histogram.
correct : frames corrected by the calibration.
"""

from typing import TYPE_CHECKING

from dxdask.calibration.parameters import (
    CalibrationParameters,
    CommonModeParameters,
    DarkParameters,
)
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.calibration.correct import (
        BAD_VALUE,
        calibrated_detector,
        common_modes,
        correct,
    )
    from dxdask.calibration.dark import Dark
    from dxdask.calibration.model import Calibration, calibration_of, panel_boxes
    from dxdask.calibration.pedestal import pedestal, reduce_dark_run

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
    "reduce_dark_run",
]

on_demand(
    __name__,
    BAD_VALUE="correct",
    calibrated_detector="correct",
    common_modes="correct",
    correct="correct",
    Dark="dark",
    Calibration="model",
    calibration_of="model",
    panel_boxes="model",
    pedestal="pedestal",
    reduce_dark_run="pedestal",
)
