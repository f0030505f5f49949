"""The mask of the pixels of the detector in an NXmx file."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector
from dxdask.storage.importers.nxmx.fields import Findings, present, refuse_raw_storage, where

_NAMES = ("pixel_mask", "detectorSpecific/pixel_mask")


def pixel_mask(
    group: h5py.Group, detector: Detector, frame_shape: tuple[int, int], found: Findings
) -> NDArray[np.bool_]:
    """Return the mask (slow, fast), true on panels where the file's pixel_mask marks nothing.

    Of masks of each image, a pixel is bad that is marked in all. One whose sizes are reversed is
    left out.
    """
    good = np.asarray(detector.panel_map(frame_shape) >= 0)
    for name in _NAMES:
        item = present(group, name)
        if item is None:
            continue
        refuse_raw_storage(item)
        if item.dtype.kind not in "iubf":
            found.lacks("mask", f"{where(item)} holds no numbers but {item.dtype}")
        elif _is_of_one(item, frame_shape):
            return np.asarray(good & (_flat(item[()], frame_shape) == 0))
        elif item.ndim >= 3 and item.shape[0] * frame_shape[0] * frame_shape[1] == item.size:
            return np.asarray(good & ~_bad_in_all(item, frame_shape))
        elif item.shape == frame_shape[::-1]:
            # of Diamond's EIGERs until 2021: dxtbx's FormatNXmxDLS leaves it out, too
            found.note(
                f"{where(item)} has its sizes reversed, {item.shape} for frames of {frame_shape}: "
                "it is left out; give lookup.mask where it is needed"
            )
        else:
            found.lacks("mask", f"{where(item)} is {item.shape}, the frames {frame_shape}")
    return good


def _is_of_one(item: h5py.Dataset, frame_shape: tuple[int, int]) -> bool:
    """Return True for the mask of a frame, or of its modules one below the other."""
    fast = frame_shape[1]
    return bool(item.size == frame_shape[0] * fast and item.shape[-1] in (fast, item.size))


def _flat(values: Any, frame_shape: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(values).reshape(frame_shape)


def _bad_in_all(item: h5py.Dataset, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    bad = np.ones(frame_shape, dtype=np.bool_)
    for i in range(item.shape[0]):
        bad &= _flat(item[i], frame_shape) != 0
        if not bad.any():
            break
    return bad
