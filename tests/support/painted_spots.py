"""Strong spots of painted frames, as spot finding and indexing give them."""

from __future__ import annotations

import numpy as np
from support.painted_frames import Painted

from dxdask.columns import Flag, Reflections


def strong_spots(painted: Painted, *, width_px: int = 7) -> tuple[Reflections, dict]:
    """Return the strong spots of the noiseless frames and their pixels: a square around each."""
    p, first = painted.predicted, painted.experiment.scan.array_range[0]
    full = np.flatnonzero((p["partiality"] > 0.9999) & (painted.intensity > 400))
    near = [i for i in full if width_px < p["x_cal"][i] < 290 and width_px < p["y_cal"][i] < 270]
    counts = np.round((painted.expected - painted.background) * 100).astype(np.int64)
    offsets, columns = [0], {n: [] for n in ("pixel_x", "pixel_y", "pixel_z", "pixel_value")}
    for i in near:
        x, y = int(p["x_cal"][i]), int(p["y_cal"][i])
        z0, z1 = p["bbox"][i, 4] - first, p["bbox"][i, 5] - first
        box = counts[z0:z1, y - 3 : y + 4, x - 3 : x + 4]
        at = np.nonzero(box > 50)
        columns["pixel_x"].append(at[2] + x - 3)
        columns["pixel_y"].append(at[1] + y - 3)
        columns["pixel_z"].append(at[0] + z0 + first)
        columns["pixel_value"].append(box[at])
        offsets.append(offsets[-1] + len(at[0]))
    arrays = {n: np.concatenate(v) for n, v in columns.items()}
    arrays["pixel_offsets"] = np.array(offsets)
    names = ("experiment", "panel", "x_cal_mm", "y_cal_mm", "phi_cal_rad")
    table = {n: p[n][near] for n in names}
    return table | {"flags": np.full(len(near), Flag.INDEXED, dtype=np.uint32)}, arrays
