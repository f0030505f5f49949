"""Response of a detector: counts recorded for photons.

model : the response and its inverse. fit : by the counts that are never recorded.
peaks, compared_runs : counts of the same pixels in runs of several transmissions.
ratios, by_transmissions : the response by these. linear : how linear the detector is.
calibrate, reports : the step, in memory, of the command `calibrate_detector`.
"""

from dxdask.response.calibrate import calibrate_detector, response_of_run
from dxdask.response.fit import ResponseFit, fit_response
from dxdask.response.model import DetectorResponse, frame_in_photons
from dxdask.response.parameters import CalibrateDetectorParameters

__all__ = [
    "CalibrateDetectorParameters",
    "DetectorResponse",
    "ResponseFit",
    "calibrate_detector",
    "fit_response",
    "frame_in_photons",
    "response_of_run",
]
