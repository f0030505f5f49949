"""Residuals over the detector by panel, and the moves of its modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, has_flag
from dxdask.models import Detector
from dxdask.report.page.curves import stored
from dxdask.report.page.frame import outlines
from dxdask.report.page.plots import Boxes, Plot
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

SIDE = 32
"""Bins along the longer side of a frame."""
FEWEST = 3
"""Reflections of a bin that has a mean."""
LONGEST = 0.3
"""Length of the longest arrow, in sides of the smallest module."""


def make(tables: StepTables) -> Section | None:
    """Return maps of the residuals of index (as the header is) and of refine, and the moves."""
    plots: list[Plot] = []
    for step in ("index", "refine"):
        if tables.present(step, ["x_cal"]):
            plots += residual_maps(tables, step)
    modules = tables.rows("refine", "modules")
    if modules:
        plots.append(_moves(modules))
    named = [
        *stored(tables, "refine", "modules", "panels", "regions"),
        *stored(tables, "refine_metrology", "panels", "shifts", "rmsds"),
    ]
    return Section(plots=plots, tables=named) if plots or named else None


def residual_maps(tables: StepTables, step: str) -> list[Plot]:
    """Return mean residuals over the panels, of all runs on the first detector's layout."""
    axes = [a for a in "xyz" if tables.present(step, [f"{a}_cal"])]
    table = tables.columns(
        step,
        ["experiment", "panel", "flags", "x", "y", *(n for a in axes for n in (a, f"{a}_cal"))],
    )
    experiments = tables.experiments(step)
    if not len(experiments):
        return []
    detector = experiments[0].detector
    alike = [outlines(e.detector).tolist() == outlines(detector).tolist() for e in experiments]
    good = has_flag(table, Flag.USED_IN_REFINEMENT) & np.array(alike)[table["experiment"]]
    if not good.any():
        return []
    box, place, n_bins = bins(
        detector, table["panel"][good], np.stack([table["x"][good], table["y"][good]], axis=1)
    )
    count = np.bincount(place, minlength=n_bins)
    values: dict[str, Floats] = {}
    for axis in axes:
        off = (table[axis] - table[f"{axis}_cal"])[good]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(place, weights=off, minlength=n_bins) / count
        unit = "px" if axis in "xy" else "images"
        values[f"mean residual {axis} ({unit})"] = np.where(count >= FEWEST, mean, np.nan)
    model = "after refine" if step == "refine" else "after index"
    return [
        Boxes(
            title=f"Residuals over the detector, {model}", box=box, values=values, unit="",
            outlines=outlines(detector),
        )
    ]  # fmt: skip


def bins(detector: Detector, panel: np.ndarray, xy: Floats) -> tuple[Floats, np.ndarray, int]:
    """Return boxes (m, 4) of the frame, the box (n,) of each place (n, 2) of a panel, and m."""
    size = max(detector.frame_shape) / SIDE
    found = outlines(detector)
    corner, extent = found[:, ::2], found[:, 1::2] - found[:, ::2]
    n = np.maximum(np.round(extent / size), 1).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(n.prod(axis=1))])
    width = extent / n
    cell = np.clip(np.floor(xy / width[panel]).astype(np.int64), 0, n[panel] - 1)
    boxes = np.concatenate(
        [
            [
                (c[0] + i * w[0], c[0] + (i + 1) * w[0], c[1] + j * w[1], c[1] + (j + 1) * w[1])
                for j in range(k[1])
                for i in range(k[0])
            ]
            for c, w, k in zip(corner, width, n, strict=True)
        ]
    )
    return boxes, first[panel] + cell[:, 1] * n[panel, 0] + cell[:, 0], int(first[-1])


def _moves(rows: Sequence[Mapping[str, Any]]) -> Boxes:
    own = [r for r in rows if r["detector"] == rows[0]["detector"]]
    box = np.array([[r[n] for n in ("x0", "x1", "y0", "y1")] for r in own], np.float64)
    move = np.array(
        [
            [np.nan if (v := r[f"shift_{a}_px"]) is None else v for a in ("fast", "slow")]
            for r in own
        ]
    )
    length = np.linalg.norm(move, axis=1)
    longest = float(np.nanmax(length)) if np.isfinite(length).any() else 0.0
    times = float(f"{LONGEST * (box[:, 1::2] - box[:, ::2]).min() / max(longest, 1e-6):.0g}")
    middle = (box[:, ::2] + box[:, 1::2]) / 2
    arrows = np.concatenate([middle, np.nan_to_num(move) * times], axis=1)
    labels = [
        f"{r['name']} {x:+.2f}, {y:+.2f} px" for r, (x, y) in zip(own, move, strict=True)
    ]  # fmt: skip
    return Boxes(
        title="Moves of the modules, each against the others",
        box=box,
        values={"length (px)": length},
        unit="px",
        outlines=box,
        arrows=arrows,
        labels=labels,
        diverging=False,
        note=f"arrows are {times:g} times as long as the moves",
    )


SECTION = SectionMaker(name="detector", title="Detector", order=5, make=make, needs=("index",))
