"""Loop over the pixels of one frame that adds them to the footprints of its reflections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.background_pixels import FOREGROUND
from dxdask.integration.photons import parts_of_photon
from dxdask.integration.rotation_sums import (
    COUNTS_Z,
    N_MOMENTS,
    OF_BACKGROUND,
    OF_COUNTS,
    OF_FOREGROUND,
    OF_PROFILE,
    OF_X,
    OF_XX,
    OF_XY,
    OF_Y,
    OF_YY,
)


@njit(cache=True, nogil=True, error_model="numpy")
def add_footprints(
    frame: Any, mask: Any, trusted: Any, pixels: Any, active: Any, rows: Any, e: Any, owner: Any,
    state: Any, terms: Any, profile: Any, weights: Any, distances: Any, offsets: Any, counts: Any,
    background: Any, foreground: Any, fitted: Any, z: int, depth_offsets: Any, images: Any,
    moments: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), image z, to the footprints of its reflections.

    Arguments as in `accumulate_frame` and `add_background`, five from `offsets` on of `Footprints`,
    the last three of `RotationSums`, or None.
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
                    own = alone or owner[y, x] == i
                    w = np.int64(weights[at + x] * fraction + 0.5) if frame[y, x] < high else 0
                    foreground[to + x] += own
                    fitted[to + x] += w
                    if images is not None:
                        image = images[depth_offsets[i] + z - box[4]]
                        image[OF_FOREGROUND] += own
                        image[OF_PROFILE] += w
                elif mask[y, x] and low < frame[y, x] < high:
                    if pixels is None:
                        v: Any = np.int64(frame[y, x])
                    else:
                        v = parts_of_photon(np.float64(frame[y, x]), panel, y, x, pixels)
                    counts[to + x] += v
                    background[to + x] += 1
                    if images is not None:
                        px, py, pz = np.int64(x - box[0]), np.int64(y - box[2]), z - box[4]
                        image = images[depth_offsets[i] + pz]
                        image[OF_COUNTS] += v
                        image[OF_BACKGROUND] += 1
                        image[OF_X] += px
                        image[OF_Y] += py
                        image[OF_XX] += px * px
                        image[OF_XY] += px * py
                        image[OF_YY] += py * py
                        power = pz
                        for k in range(N_MOMENTS):
                            moments[to + x, k] += power
                            power *= pz
                        moments[to + x, COUNTS_Z] += v * pz
