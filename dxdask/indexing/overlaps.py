"""Overlaps of the bounding boxes of spots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import SchemaError


@njit(cache=True, nogil=True, error_model="numpy")
def _overlapping(keys: Any, boxes: Any, found: Any) -> None:
    """Mark boxes that overlap another of the same key; rows sorted by key, then first image."""
    n = boxes.shape[0]
    for i in range(n):
        for j in range(i + 1, n):
            if keys[j] != keys[i] or boxes[j, 4] >= boxes[i, 5]:
                break
            if (
                boxes[j, 0] < boxes[i, 1]
                and boxes[i, 0] < boxes[j, 1]
                and boxes[j, 2] < boxes[i, 3]
                and boxes[i, 2] < boxes[j, 3]
            ):
                found[i] = True
                found[j] = True


def overlapping(reflections: Reflections, border: int = 0) -> NDArray[np.bool_]:
    """Return true for spots (n,) whose box overlaps another of the same experiment and panel.

    Boxes `bbox` (n, 6) int32, half open, are widened by `border` pixels along x and y.
    """
    bbox = reflections["bbox"]
    if bbox.ndim != 2 or bbox.shape[1] != 6:
        raise SchemaError(f"column 'bbox' has shape {bbox.shape}, should be (n, 6)")
    boxes = bbox + np.array([-border, border, -border, border, 0, 0], dtype=bbox.dtype)
    keys = reflections["experiment"].astype(np.int64) * 2**31 + reflections["panel"]
    order = np.lexsort((boxes[:, 4], keys))
    marked = np.zeros(len(boxes), dtype=np.bool_)
    _overlapping(keys[order], np.ascontiguousarray(boxes[order]), marked)
    found = np.zeros_like(marked)
    found[order] = marked
    return found
