"""Places of reflections on the stored frame."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.models import Detector, ExperimentList
from dxdask.report.page.plots import Grid, grid


def on_frame(table: Reflections, experiments: ExperimentList, suffix: str = "") -> Floats:
    """Return positions (n, 2), px of the stored frame, of the columns x, y (with a suffix)."""
    most = max((len(e.detector.panels) for e in experiments), default=1)
    offsets = np.zeros((len(experiments), most, 2))
    for i, e in enumerate(experiments):
        offsets[i, : len(e.detector.panels)] = [p.offset for p in e.detector.panels]
    xy = np.stack([table[f"x{suffix}"], table[f"y{suffix}"]], axis=1)
    if len(experiments) == 0:
        return xy
    found: Floats = xy + offsets[table["experiment"], table["panel"]]
    return found


def outlines(detector: Detector) -> Floats:
    """Return x0, x1, y0, y1 (p, 4) of the panels, px of the stored frame."""
    return np.array(
        [
            (p.offset[0], p.offset[0] + p.image_size[0], p.offset[1], p.offset[1] + p.image_size[1])
            for p in detector.panels
        ],
        dtype=np.float64,
    )


def frame_grid(
    title: str, xy: Floats, experiments: ExperimentList, unit: str, n_bins: int = 100
) -> Grid:
    """Return the 2-D histogram of places (n, 2) on the frame."""
    height, width = experiments[0].detector.frame_shape
    longer = max(height, width)
    bins = (max(1, n_bins * width // longer), max(1, n_bins * height // longer))
    return grid(
        title, xy[:, 0], xy[:, 1], ("fast (px)", "slow (px)"), n_bins=bins, unit=unit,
        x_range=(0.0, float(width)), y_range=(0.0, float(height)), y_down=True, square=True,
    )  # fmt: skip
