"""Photons of a recorded frame by the response of its detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.response.model import DetectorResponse


@njit(cache=True, nogil=True, error_model="numpy")
def _replace(flat: Any, threshold: Any, factor: Any, offset: Any, whole: Any, top: Any) -> None:
    for i in range(len(flat)):
        if flat[i] >= threshold:
            photons = (flat[i] - offset) / factor
            flat[i] = min(max(np.rint(photons) if whole else photons, threshold), top)


def frame_in_photons(frame: NDArray[Any], response: DetectorResponse | None) -> NDArray[Any]:
    """Return a frame of counts in photons; the frame itself for None.

    Whole counts become whole photons, real ones real photons. The dtype is kept, except where a
    factor below 1 makes more photons than counts: there it has at least 32 bits.
    """
    if response is None:
        return frame
    dtype = frame.dtype
    whole = dtype.kind != "f"
    if whole and response.factor < 1.0 and dtype.itemsize < 4:
        dtype = np.dtype(np.int32)
    out = np.array(frame, dtype=dtype, order="C")
    top = float(np.iinfo(dtype).max) if whole else np.inf
    _replace(out.reshape(-1), response.threshold, response.factor, response.offset, whole, top)
    return out
