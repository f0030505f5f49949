"""Residuals of reflections by part of a detector: modules, or regions of panels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, check, has_flag
from dxdask.models import Detector
from dxdask.tables import Table

NEEDED = ("experiment", "panel", "flags", "x", "y", "x_cal", "y_cal")
FARTHEST = 3.0
"""Pixels (and images): larger residuals are those of wrong indices."""
_NORMAL = 1.4826  # standard deviation over median deviation, of a normal distribution
_CUT = 4.0  # robust standard deviations


class PartResiduals(NamedTuple):
    """Residuals, observed less predicted, of the reflections of parts of a detector.

    Attributes
    ----------
    n : (parts,) reflections. mean, robust, error : (parts, 2) mean, mean without outliers, and its
    standard error, px along fast and slow; NaN without reflections.
    rotation, rotation_error : (parts,) of the spots about the middle of the part, mrad.
    """

    n: Integers
    mean: Floats
    robust: Floats
    error: Floats
    rotation: Floats
    rotation_error: Floats


def comparable(reflections: Reflections) -> NDArray[np.bool_]:
    """Return True (n,) for indexed reflections with a prediction near the observed centroid.

    Outliers of refinement are among them: on a displaced module all may be.
    """
    check(reflections, NEEDED)
    with np.errstate(invalid="ignore"):
        near = (np.abs(differences(reflections)) < FARTHEST).all(axis=1)
    return np.asarray(
        near & has_flag(reflections, Flag.INDEXED) & ~has_flag(reflections, Flag.OVERLOADED)
    )


def differences(reflections: Reflections) -> Floats:
    """Return observed less predicted centroids (n, 2), px."""
    return np.stack([reflections[n] - reflections[f"{n}_cal"] for n in ("x", "y")], axis=1)


def residuals_of_parts(off: Floats, place: Floats, part: Integers, n_parts: int) -> PartResiduals:
    """Return the residuals of each part.

    off : (n, 2) observed less predicted, px. place : (n, 2) from the middle of the part, px.
    part : (n,) index of the part.
    """
    n = np.bincount(part, minlength=n_parts)
    mean, robust, error = (np.full((n_parts, 2), np.nan) for _ in range(3))
    rotation, rotation_error = np.full(n_parts, np.nan), np.full(n_parts, np.nan)
    order = np.argsort(part, kind="stable")
    for k, rows in enumerate(np.split(order, np.cumsum(n)[:-1])):
        if not len(rows):
            continue
        mean[k] = off[rows].mean(axis=0)
        kept = rows[_inside(off[rows])]
        robust[k] = off[kept].mean(axis=0)
        if len(kept) > 2:
            error[k] = off[kept].std(axis=0, ddof=1) / np.sqrt(len(kept))
            rotation[k], rotation_error[k] = _rotation(off[kept], place[kept])
    return PartResiduals(n, mean, robust, error, rotation, rotation_error)


def _inside(off: Floats) -> NDArray[np.bool_]:
    """Return True (n,) for values (n, 2) near their median."""
    far = np.abs(off - np.median(off, axis=0))
    spread = np.maximum(_NORMAL * np.median(far, axis=0), 1e-6)
    return np.asarray((far <= _CUT * spread).all(axis=1))


def _rotation(off: Floats, place: Floats) -> tuple[float, float]:
    """Return the rotation, and its standard error, mrad, that off (n, 2) at place (n, 2) show."""
    arm = place - place.mean(axis=0)
    rest = off - off.mean(axis=0)
    total = float((arm**2).sum())
    if total == 0.0:
        return np.nan, np.nan
    angle = float((arm[:, 0] * rest[:, 1] - arm[:, 1] * rest[:, 0]).sum()) / total
    left = rest - angle * np.stack([-arm[:, 1], arm[:, 0]], axis=1)
    return 1e3 * angle, 1e3 * float(np.sqrt(left.var() / total))


def places_of(reflections: Reflections, detector: Detector) -> Floats:
    """Return the observed places (n, 2) of reflections from the middle of their panel, px."""
    size = np.array([p.image_size for p in detector.panels], np.float64)[reflections["panel"]]
    return np.stack([reflections["x"], reflections["y"]], axis=1) - size / 2


def regions_of(
    reflections: Reflections, detector: Detector, n_regions: int
) -> tuple[Integers, Floats]:
    """Return the region (n,) of each reflection, n_regions x n_regions a panel, panel by panel,
    y before x; and its place (n, 2) from the middle of the region, px.
    """
    size = np.array([p.image_size for p in detector.panels], np.float64)[reflections["panel"]]
    xy = np.stack([reflections["x"], reflections["y"]], axis=1)
    cell = np.clip(np.floor(xy * n_regions / size), 0, n_regions - 1)
    middle = (cell + 0.5) * size / n_regions
    x, y = cell.astype(np.int64).T
    panel = reflections["panel"].astype(np.int64)
    return (panel * n_regions + y) * n_regions + x, xy - middle


def regions_table(reflections: Reflections, detector: Detector, n_regions: int = 4) -> Table:
    """Return the table of residuals by region of the panels, those with reflections."""
    rows = comparable(reflections)
    table = {name: reflections[name][rows] for name in NEEDED}
    part, place = regions_of(table, detector, n_regions)
    found = residuals_of_parts(
        differences(table), place, part, len(detector) * n_regions * n_regions
    )
    lines: list[dict[str, Any]] = []
    for k in np.flatnonzero(found.n):
        panel, cell = divmod(int(k), n_regions * n_regions)
        y, x = divmod(cell, n_regions)
        width, height = detector[panel].image_size
        lines.append(
            {
                "panel": panel,
                "x": (x + 0.5) * width / n_regions, "y": (y + 0.5) * height / n_regions,
                **row_of(found, int(k)),
            }
        )  # fmt: skip
    return Table(
        name="regions", title="Residuals by region of the panels", rows=lines,
        headings=HEADINGS, printed=False,
    )  # fmt: skip


def row_of(found: PartResiduals, k: int) -> dict[str, Any]:
    """Return the residuals of one part as values of a row."""
    return {
        "n": int(found.n[k]),
        **{f"mean_{a}_px": number(found.mean[k, i]) for i, a in enumerate("xy")},
        **{f"robust_{a}_px": number(found.robust[k, i]) for i, a in enumerate("xy")},
        **{f"error_{a}_px": number(found.error[k, i]) for i, a in enumerate("xy")},
        "rotation_mrad": number(found.rotation[k]),
        "rotation_error_mrad": number(found.rotation_error[k]),
    }


def number(value: float) -> float | None:
    """Return a value as JSON holds it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


HEADINGS = {
    "panel": ("Panel", ""),
    "x": ("x\n(px)", ".0f"),
    "y": ("y\n(px)", ".0f"),
    "n": ("Nref", ""),
    **{f"{what}_{a}_px": (f"{what} {a}\n(px)", ".3f")
       for what in ("mean", "robust", "error") for a in "xy"},
    "rotation_mrad": ("rotation\n(mrad)", ".3f"),
    "rotation_error_mrad": ("error\n(mrad)", ".3f"),
}  # fmt: skip
