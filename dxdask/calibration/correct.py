"""Raw frames to photons: pedestal and common mode subtracted, divided by the gain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.calibration.common_mode import CommonMode
from dxdask.calibration.model import GOOD, Calibration
from dxdask.calibration.parameters import CalibrationParameters
from dxdask.errors import InputError
from dxdask.models import Detector

BAD_VALUE = -1000
"""Value of a pixel that is not used; below the trusted range of `calibrated_detector`."""


@njit(cache=True, nogil=True, error_model="numpy")
def _photons(frame, pedestal, gain, use, boxes, offsets, out):  # type: ignore[no-untyped-def]
    for p in range(len(boxes)):
        x0, x1, y0, y1 = boxes[p]
        offset = np.float32(offsets[p])
        for y in range(y0, y1):
            # views of rows: so the compiler takes many pixels at a time
            values, off, scale = frame[y, x0:x1], pedestal[y, x0:x1], gain[y, x0:x1]
            kind, photons = use[y, x0:x1], out[y, x0:x1]
            for x in range(x1 - x0):
                value = np.int32(np.rint((np.float32(values[x]) - off[x] - offset) / scale[x]))
                photons[x] = value if kind[x] == GOOD else BAD_VALUE


@njit(cache=True, nogil=True, error_model="numpy")
def _adu(frame, pedestal, use, boxes, offsets, out):  # type: ignore[no-untyped-def]
    bad = np.float32(BAD_VALUE)
    for p in range(len(boxes)):
        x0, x1, y0, y1 = boxes[p]
        offset = np.float32(offsets[p])
        for y in range(y0, y1):
            values, off = frame[y, x0:x1], pedestal[y, x0:x1]
            kind, adu = use[y, x0:x1], out[y, x0:x1]
            for x in range(x1 - x0):
                value = np.float32(values[x]) - off[x] - offset
                adu[x] = value if kind[x] == GOOD else bad


def correct(
    frames: NDArray[Any], calibration: Calibration, parameters: CalibrationParameters | None = None
) -> NDArray[Any]:
    """Return frames as photons (int32) or ADU above the pedestal (float32), by the parameters.

    frames : (n, slow, fast) as recorded; each is corrected on its own. Bad pixels, and those
    between panels, are set to `BAD_VALUE`.

    Raises
    ------
    InputError
        The frames differ from the calibration in shape.
    """
    parameters = parameters or CalibrationParameters()
    shape = calibration.pedestal.shape
    if frames.ndim != 3 or frames.shape[1:] != shape:
        raise InputError(
            f"frames are {frames.shape}, the calibration is of {shape} (slow, fast); take a dark "
            "run of the same detector"
        )
    common_mode = CommonMode(calibration, parameters.common_mode)
    photons = parameters.output == "photons"
    out = np.full(frames.shape, BAD_VALUE, dtype=np.int32 if photons else np.float32)
    c = calibration
    for i in range(len(frames)):
        offsets = common_mode.of(frames[i])
        if photons:
            _photons(frames[i], c.pedestal, c.gain, c.use, c.boxes, offsets, out[i])
        else:
            _adu(frames[i], c.pedestal, c.use, c.boxes, offsets, out[i])
    return out


def common_modes(
    frames: NDArray[Any], calibration: Calibration, parameters: CalibrationParameters | None = None
) -> NDArray[np.float64]:
    """Return the common mode (n, panel), ADU, that `correct` subtracts; 0 where it does not."""
    parameters = parameters or CalibrationParameters()
    common_mode = CommonMode(calibration, parameters.common_mode)
    return np.array([common_mode.of(f) for f in frames]).reshape(len(frames), -1)


def calibrated_detector(
    detector: Detector,
    calibration: Calibration,
    parameters: CalibrationParameters,
    dtype: np.dtype[Any],
) -> Detector:
    """Return the detector of corrected frames: trusted range, gain, pedestal 0.

    dtype : of the frames as recorded; its largest value is the saturation value where the
    parameters give none. The trusted range ends below the smallest value of a saturated pixel of
    the panel.
    """
    top = parameters.saturation
    if top is None:
        top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else float("inf")
    most = parameters.common_mode.max_correction
    if parameters.common_mode.algorithm == "none":
        most = 0.0
    panels = []
    for i, panel in enumerate(detector.panels):
        good = calibration.use[panel.slices] == GOOD
        pedestal, gain = calibration.pedestal[panel.slices], calibration.gain[panel.slices]
        noise = float(calibration.panel_noise[i])
        adu = parameters.output == "adu"
        unit = 1.0 if adu else float(calibration.panel_gains[i]) or 1.0
        low = max(-(most + 10.0 * noise) / unit - 1.0, BAD_VALUE + 0.5)
        scale = np.float32(1.0) if adu else gain
        room = ((top - most - pedestal) / scale)[good]
        high = float(np.floor(room.min())) if room.size and np.isfinite(top) else top
        gain_now = float(calibration.panel_gains[i]) or 1.0 if adu else 1.0
        panels.append(replace(panel, trusted_range=(low, high), pedestal=0.0, gain=gain_now))
    return replace(detector, panels=tuple(panels))
