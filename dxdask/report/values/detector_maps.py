"""Residuals in bins over the panels of a detector, in the layout of the stored frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError
from dxdask.models import Detector
from dxdask.report.values.residuals import AXES, residuals
from dxdask.report.values.results import Source, results_of

STEPS = ("refine", "integrate", "index")
_SIDE = 24
"""Bins along the longer side of a frame, by default."""


class DetectorMap(NamedTuple):
    """Bins (m,) of a detector, no bin on two panels; empty ones are included.

    Attributes
    ----------
    panel : (m,). box : (m, 4) x0, x1, y0, y1, px of the stored frame. n : (m,) reflections.
    mean : by x, y (px) and z (images): (m,) mean residuals, NaN where there are too few. rmsd : the
    same of the root mean square. panels : (p, 4) x0, x1, y0, y1 of the panels.
    """

    panel: Integers
    box: Floats
    n: Integers
    mean: dict[str, Floats]
    rmsd: dict[str, Floats]
    panels: Floats


def residuals_over_detector(
    source: Source,
    *,
    bin_size: int | None = None,
    min_count: int = 3,
    used: bool | None = None,
    step: str | None = None,
) -> DetectorMap:
    """Return residuals in bins over the detector, of all runs on it together.

    Parameters
    ----------
    source, used, step : see `residuals`.
    bin_size : px; None: some 24 bins along the longer side of the frame. A panel has one bin or
        more, of equal size.
    min_count : reflections that a bin needs.

    Raises
    ------
    InputError
        There are no residuals, or runs have panels of different layouts.
    """
    table = residuals(source, used=used, step=step)
    detector = _layout(source, step)
    size = bin_size or max(detector.frame_shape) / _SIDE
    if size <= 0:
        raise InputError(f"bin_size={bin_size} px; give one larger than 0")
    panels = np.array([(*p.offset, *p.image_size) for p in detector.panels], dtype=np.int64)
    n_bins = np.maximum(np.round(panels[:, 2:] / size), 1).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(n_bins.prod(axis=1))])
    width = panels[:, 2:] / n_bins
    panel = table["panel"].to_numpy()
    xy = table[["frame_x", "frame_y"]].to_numpy() - panels[panel, :2]
    cell = np.clip(np.floor(xy / width[panel]).astype(np.int64), 0, n_bins[panel] - 1)
    place = first[panel] + cell[:, 1] * n_bins[panel, 0] + cell[:, 0]
    count = np.bincount(place, minlength=first[-1])
    mean, rmsd = {}, {}
    for axis in AXES:
        values = table[f"d{axis}"].to_numpy()
        sums = [np.bincount(place, weights=v, minlength=first[-1]) for v in (values, values**2)]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean[axis] = np.where(count >= min_count, sums[0] / count, np.nan)
            rmsd[axis] = np.where(count >= min_count, np.sqrt(sums[1] / count), np.nan)
    of_panel = np.repeat(np.arange(len(panels)), n_bins.prod(axis=1))
    return DetectorMap(
        of_panel,
        np.concatenate([_boxes(*p, *n) for p, n in zip(panels, n_bins, strict=True)]),
        count,
        mean,
        rmsd,
        _bounds(panels),
    )


def _bounds(panels: Integers) -> Floats:
    """Return x0, x1, y0, y1 (p, 4) of panels (p, 4), given by offset and size."""
    x, y, width, height = panels.T.astype(np.float64)
    return np.stack([x, x + width, y, y + height], axis=1)


def _boxes(x: int, y: int, width: int, height: int, n_x: int, n_y: int) -> Floats:
    """Return the bins (n_x n_y, 4) of a panel, x fastest."""
    xs, ys = x + width * np.arange(n_x + 1) / n_x, y + height * np.arange(n_y + 1) / n_y
    rows = [(xs[i], xs[i + 1], ys[j], ys[j + 1]) for j in range(n_y) for i in range(n_x)]
    return np.array(rows)


def _layout(source: Source, step: str | None) -> Detector:
    """Return a detector whose layout in the frame all experiments have."""
    detectors = results_of(source, STEPS, step=step).experiments.detectors
    layouts = {tuple((p.offset, p.image_size) for p in d.panels) for d in detectors}
    if len(layouts) != 1:
        raise InputError(
            f"runs have {len(layouts)} layouts of panels; give those of one detector at a time"
        )
    return detectors[0]


def mean_vectors(found: DetectorMap) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the centres (m, 2) of bins, mean residuals (m, 2), px, and which bins have any."""
    centre = np.stack([found.box[:, :2].mean(axis=1), found.box[:, 2:].mean(axis=1)], axis=1)
    vector = np.stack([found.mean["x"], found.mean["y"]], axis=1)
    return centre, vector, np.asarray(np.isfinite(vector).all(axis=1))
