"""RMSDs by panel before and after metrology."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Experiment
from dxdask.refinement.metrology.solve import Solution
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.detector_parts import short_name
from dxdask.refinement.still_outliers import rayleigh_inliers
from dxdask.refinement.stills.measurements import Measurements
from dxdask.refinement.stills.problem import still_problem
from dxdask.tables import Table

HEADINGS = {
    "panel": ("Panel", ""),
    "n_spots": ("Spots", ""),
    "rmsd_x_px_before": ("RMSD_X (px)\nbefore", ".3f"),
    "rmsd_y_px_before": ("RMSD_Y (px)\nbefore", ".3f"),
    "rmsd_x_px": ("RMSD_X (px)\nafter", ".3f"),
    "rmsd_y_px": ("RMSD_Y (px)\nafter", ".3f"),
}


def rmsd_table(
    experiment: Experiment, found: Solution, measured: Measurements, crystals: Crystals
) -> Table:
    """Return the table of RMSDs, px, of each panel and of all, before and after.

    experiment : at the start. crystals : as indexed on its detector, each refined on its own.
    Outliers of each still are excluded as in the RMSDs of the step index; n_spots are the other
    spots, after.
    """
    problem, at_start = still_problem(measured, crystals, experiment, restraint=None)
    before, start = problem.residuals(at_start), experiment.detector
    after = found.residuals
    pixels = np.array([p.pixel_size for p in start.panels])
    names = [*(short_name(p.name) or f"panel {i}" for i, p in enumerate(start.panels)), "all"]
    columns: dict[str, list[Any]] = {"panel": names}
    for residuals, suffix in ((before, "_before"), (after, "")):
        inlier = _inliers(residuals, measured)
        panel = measured.panel[inlier]
        squares = (residuals[inlier, :2] / pixels[panel]) ** 2
        counts = _sums(panel, None, len(start))
        columns["n_spots"] = counts.tolist()  # those after, in the last iteration
        for axis, of_axis in zip("xy", squares.T, strict=True):
            sums = _sums(panel, of_axis, len(start))
            columns[f"rmsd_{axis}_px{suffix}"] = [
                float(np.sqrt(s / n)) if n else None for s, n in zip(sums, counts, strict=True)
            ]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return Table(name="rmsds", title="RMSDs by panel", rows=rows, headings=HEADINGS)


def _sums(panel: NDArray[np.int64], values: Floats | None, n_panels: int) -> NDArray[Any]:
    """Return the sums (panels + 1,) on each panel and on all; None: numbers of spots."""
    sums = np.bincount(panel, weights=values, minlength=n_panels)
    return np.append(sums, sums.sum())


def _inliers(residuals: Floats, measured: Measurements) -> NDArray[np.bool_]:
    lengths = np.hypot(residuals[:, 0], residuals[:, 1])
    return rayleigh_inliers(lengths, measured.still, len(measured.rows))
