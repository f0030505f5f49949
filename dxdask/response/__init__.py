"""Response of a detector: counts recorded for photons.

model, recorded_frame : the response and its inverse. fit : by the counts that are never recorded.
peaks, compared_runs : counts of the same pixels in runs of several transmissions.
ratios, by_transmissions : the response by these. linear : how linear the detector is.
calibrate, reports : the step, in memory, of the command `calibrate_detector`.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.response.parameters import CalibrateDetectorParameters

if TYPE_CHECKING:
    from dxdask.response.calibrate import calibrate_detector
    from dxdask.response.fit import ResponseFit, fit_response
    from dxdask.response.model import DetectorResponse, response_of_run
    from dxdask.response.recorded_frame import frame_in_photons

__all__ = [
    "CalibrateDetectorParameters",
    "DetectorResponse",
    "ResponseFit",
    "calibrate_detector",
    "fit_response",
    "frame_in_photons",
    "response_of_run",
]

on_demand(
    __name__,
    calibrate_detector="calibrate",
    response_of_run="model",
    ResponseFit="fit",
    fit_response="fit",
    DetectorResponse="model",
    frame_in_photons="recorded_frame",
)
