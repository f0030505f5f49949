"""How far observed spots lie from predicted ones before and after metrology, panel by panel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector
from dxdask.stills.crystals import Crystals
from dxdask.stills.measurements import Measurements
from dxdask.stills.metrology.blocks import residuals_of
from dxdask.stills.metrology.hierarchy import short_name
from dxdask.stills.metrology.solve import Solution
from dxdask.stills.outliers import rayleigh_inliers
from dxdask.tables import Table

Floats = NDArray[np.float64]

HEADINGS = {
    "panel": ("Panel", ""),
    "n_spots": ("Spots", ""),
    "rmsd_x_px_before": ("RMSD_X (px)\nbefore", ".3f"),
    "rmsd_y_px_before": ("RMSD_Y (px)\nbefore", ".3f"),
    "rmsd_x_px": ("RMSD_X (px)\nafter", ".3f"),
    "rmsd_y_px": ("RMSD_Y (px)\nafter", ".3f"),
}


def rmsd_table(
    start: Detector, found: Solution, measured: Measurements, crystals: Crystals, beam: Floats
) -> Table:
    """Return the RMSDs, px, of each panel and of all, of the same stills before and after.

    crystals : as they were indexed on `start`, each refined on its own. Outliers of each still are
    left out as in the RMSDs of the step index; n_spots are the others, after.
    """
    before = residuals_of(measured, crystals, start, beam)
    after = found.residuals
    pixel = np.array([p.pixel_size for p in start.panels])[measured.panel]
    names = ["all", *(short_name(p.name) or f"panel {i}" for i, p in enumerate(start.panels))]
    on = [np.ones(len(pixel), np.bool_), *(measured.panel == i for i in range(len(start)))]
    inliers = [_inliers(residuals, measured) for residuals in (before, after)]
    rows: list[dict[str, Any]] = []
    for name, here in zip(names, on, strict=True):
        row: dict[str, Any] = {"panel": name, "n_spots": int((here & inliers[1]).sum())}
        for residuals, inlier, suffix in zip(
            (before, after), inliers, ("_before", ""), strict=True
        ):
            xy = residuals[here & inlier, :2] / pixel[here & inlier]
            for axis, values in zip("xy", xy.T, strict=True):
                rms = float(np.sqrt((values**2).mean())) if len(values) else None
                row[f"rmsd_{axis}_px{suffix}"] = rms
        rows.append(row)
    return Table(name="rmsds", title="RMSDs by panel", rows=[*rows[1:], rows[0]], headings=HEADINGS)


def _inliers(residuals: Floats, measured: Measurements) -> NDArray[np.bool_]:
    lengths = np.hypot(residuals[:, 0], residuals[:, 1])
    return rayleigh_inliers(lengths, measured.still, len(measured.rows))
