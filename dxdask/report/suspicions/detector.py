"""Detectors whose distance or modules are not where the header has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion
from dxdask.tables import shortened

DISTANCE = 0.005  # relative change in refinement
MODULES_PX = 0.1  # mean residual of a panel against the others
FEWEST = 50  # reflections of a panel for a mean
RMSD_PX, RMSD_IMAGES = 1.0, 1.0
STILLS_PX = 0.5  # median RMSD of stills
SIGNIFICANT = 5.0  # differences between half-sets


def suspicious_detectors(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious of detectors."""
    for check in (_distance, _rmsds, _moved, _modules, _panels_of_stills):
        yield from check(tables)


def _distance(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("refine", "panels")
    worst, text = DISTANCE, ""
    for row in rows:
        # runs that share a detector have one row
        run = str(row.get("run")).split(", ")[0]
        if run not in tables.runs or row.get("distance_mm") is None:
            continue
        panels = tables.run_experiment(run).detector.panels
        before = panels[min(int(row["panel"]), len(panels) - 1)].distance
        change = row["distance_mm"] / before - 1 if before else 0.0
        if abs(change) > worst:
            worst = abs(change)
            text = (
                f"the distance refined from {before:.2f} to {row['distance_mm']:.2f} mm "
                f"({100 * change:+.1f} %, {run}), and the cell's lengths with it"
            )
    if text:
        yield Suspicion(
            text,
            "correct the distance of the header, or calibrate it with a powder",
            "detector",
        )


def _rmsds(tables: StepTables) -> Iterator[Suspicion]:
    step = "refine" if "refine" in tables else "index"
    for names, limit, unit in (
        (("rmsd_x_px", "rmsd_y_px"), RMSD_PX, "px"),
        (("rmsd_z_images",), RMSD_IMAGES, "images"),
    ):
        poor = [
            f"{row['run']} {max(row[n] for n in names):.2f} {unit}"
            for row in tables.rows(step, "rmsds")
            if all(isinstance(row.get(n), (int, float)) for n in names)
            and max(row[n] for n in names) > limit
        ]
        if poor:
            yield Suspicion(
                f"large residuals: {shortened(poor, 4)}",
                "refine with scan_varying=true; look for modules out of place or several lattices",
                "residuals",
            )


def _moved(tables: StepTables) -> Iterator[Suspicion]:
    """Compare the modules as they were refined with where the header has them."""
    rows = [row for row in tables.rows("refine", "modules") if row.get("moved")]
    if not rows:
        return
    # of two that moved against each other the second; see refinement.modules.proposal
    first = rows[-1:] if len(tables.rows("refine", "modules")) == 2 else rows
    places = [
        f"{row['name']} by {row['shift_fast_px']:+.2f} px along fast, "
        f"{row['shift_slow_px']:+.2f} px along slow"
        for row in sorted(first, key=lambda row: -row["size_px"])
    ]
    yield Suspicion(
        f"out of place in the header: {shortened(places, 4)} "
        f"({len(first)} of {len(tables.rows('refine', 'modules'))} modules)",
        "refined here; use the refined detector for later data (dxdask export STORE format=dials)",
        "detector",
    )


def _modules(tables: StepTables) -> Iterator[Suspicion]:
    """Compare the mean residuals of the panels; of one panel, those of its quarters."""
    if not tables.rows("refine", "rmsds"):
        return
    table = tables.columns("refine", ["panel", "x", "y", "x_cal", "y_cal", "flags"])
    good = has_flag(table, Flag.USED_IN_REFINEMENT)
    part, what = table["panel"].astype(np.int64), "panels"
    if len(np.unique(part[good])) < 2:
        middle = [np.median(table[n][good]) if good.any() else 0.0 for n in "xy"]
        part = (table["x"] > middle[0]).astype(np.int64) + 2 * (table["y"] > middle[1])
        what = "quarters of the detector"
    means = []
    for i in np.unique(part[good]):
        mine = good & (part == i)
        if mine.sum() >= FEWEST:
            means.append([float(np.mean(table[n][mine] - table[f"{n}_cal"][mine])) for n in "xy"])
    if len(means) < 2:
        return
    spread = np.ptp(np.array(means), axis=0)
    if spread.max() > MODULES_PX:
        yield Suspicion(
            f"mean residuals differ between {what} by {spread[0]:.2f} px in x, {spread[1]:.2f} px "
            "in y: a module may be out of place",
            "see the map of residuals, and refine the modules",
            "detector",
        )


def _panels_of_stills(tables: StepTables) -> Iterator[Suspicion]:
    """Compare panels after refine_metrology with the header; errors are those of half-sets."""
    rows = tables.rows("refine_metrology", "shifts")
    of_axes = [tables.values("index", "stills", f"rmsd_{a}_px") for a in "xy"]
    if not rows and all(of_axes):
        x, y = (float(np.median(v)) for v in of_axes)
        if max(x, y) > STILLS_PX:
            yield Suspicion(
                f"spots of indexed stills are {x:.2f} px in x, {y:.2f} px in y from where they are "
                "calculated (median RMSD): panels may be out of place",
                "refine their places, then process again: dxdask refine_metrology STORE",
                "stills",
            )
    if not rows or not tables.runs:
        return
    pixel_um = 1e3 * tables.run_experiment(tables.runs[0]).detector.panels[0].pixel_size[0]
    errors = {row["part"]: row for row in tables.rows("refine_metrology", "statistics")}

    def is_moved(row: Mapping[str, Any], name: str, least: float) -> bool:
        error = abs(errors.get(row["part"], {}).get(name) or 0.0)
        return bool(abs(row.get(name) or 0.0) > max(least, SIGNIFICANT * error))

    leaves = max(int(row["level"]) for row in rows)
    parts = [r for r in rows if r["level"] == leaves and not str(r["part"]).startswith("weighted")]
    moved = [row for row in parts if is_moved(row, "delta_xy_um", MODULES_PX * pixel_um)]
    texts = [
        f"the whole by {row['z_um'] / 1e3:+.2f} mm along the beam"
        for row in rows[:1]
        if row["level"] == 0 and is_moved(row, "z_um", pixel_um)
    ]
    texts += [
        f"{row['part']} by {row['delta_xy_um'] / pixel_um:.2f} px"
        for row in sorted(moved, key=lambda row: -row["delta_xy_um"])
    ]
    if texts:
        yield Suspicion(
            f"out of place in the header: {shortened(texts, 5)} "
            f"({len(moved)} of {len(parts)} panels)",
            "refined here; process again with it (input.reference_geometry=STORE), and use it for "
            "later data",
            "detector",
        )
