"""Loop over the pixels of one frame that adds them to the footprints of its reflections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.background_pixels import FOREGROUND
from dxdask.integration.photons import parts_of_photon


@njit(cache=True, nogil=True, error_model="numpy")
def add_footprints(
    frame: Any, mask: Any, trusted: Any, pixels: Any, active: Any, rows: Any, e: Any, owner: Any,
    state: Any, terms: Any, profile: Any, weights: Any, distances: Any, offsets: Any, counts: Any,
    background: Any, foreground: Any, fitted: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast) to the footprints of its reflections.

    Arguments as in `accumulate_frame` and `add_background`, the last five of `Footprints`.
    """
    for i in active:
        r = rows[i]
        panel, box, inner = e.panel_number[r], e.box[r], e.inner[r]
        low, high = trusted[panel, 0], trusted[panel, 1]
        d3, fraction, alone = terms[i, 0], terms[i, 1], terms[i, 2] == 0.0
        width, inner_width = box[1] - box[0], inner[1] - inner[0]
        x0, x1 = max(box[0], e.panel[r, 0]), min(box[1], e.panel[r, 1])
        y0, y1 = max(box[2], e.panel[r, 2]), min(box[3], e.panel[r, 3])
        for y in range(y0, y1):
            to = offsets[i] + (y - box[2]) * width - box[0]
            at = profile[i] + (y - inner[2]) * inner_width - inner[0]
            for x in range(x0, x1):
                if state[y, x] >= FOREGROUND:
                    if not (inner[0] <= x < inner[1] and inner[2] <= y < inner[3]):
                        continue
                    if distances[at + x] + d3 > 1.0 or not (mask[y, x] and frame[y, x] > low):
                        continue
                    foreground[to + x] += alone or owner[y, x] == i
                    if frame[y, x] < high:
                        fitted[to + x] += np.int64(weights[at + x] * fraction + 0.5)
                elif mask[y, x] and low < frame[y, x] < high:
                    if pixels is None:
                        counts[to + x] += np.int64(frame[y, x])
                    else:
                        count = np.float64(frame[y, x])
                        counts[to + x] += parts_of_photon(count, panel, y, x, pixels)
                    background[to + x] += 1
