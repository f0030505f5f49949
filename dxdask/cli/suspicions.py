"""Lines on results of a job that are unlike good data, each with its figure.

The limits are loose: what is within them may still be wrong, what is outside deserves a look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.tables import shortened

if TYPE_CHECKING:
    from dxdask.cli.summary import StepTables

DISTANCE = 0.005  # relative change in refinement
CELL = 0.01  # relative difference of cells
PERCENT_INDEXED = 70.0
RMSD_PX, RMSD_IMAGES = 1.0, 1.0
MODULES_PX = 0.1  # mean residual of a panel against the others
FEWEST = 50  # reflections of a panel for a mean
LINEARITY = 0.02
OVERLOADED = 0.01
EXCLUDED = 0.5
OUTLIERS = 0.05


def suspicions(tables: StepTables) -> Iterator[str]:
    """Yield what is suspicious in the tables of a store, in the order of processing."""
    for check in (
        _images, _bad_pixels, _indexed, _cell, _distance, _rmsds, _modules, _notch,
        _overloads, _linearity, _excluded, _merging,
    ):  # fmt: skip
        yield from check(tables)


def _images(tables: StepTables) -> Iterator[str]:
    rows = tables.rows("find_spots", "images")
    counts = np.array([row["n_spots"] for row in rows], dtype=float)
    if not len(counts) or "hits" in tables:  # of stills most are blank
        return
    runs = np.array([row["run"] for row in rows])
    empty = [
        f"{np.sum(counts[runs == run] == 0)} of {np.sum(runs == run)} images of {run}"
        for run in dict.fromkeys(runs.tolist())
        if np.mean(counts[runs == run] == 0) > 0.1
    ]
    if empty:
        yield f"no spots on {shortened(empty, 3)}"


def _bad_pixels(tables: StepTables) -> Iterator[str]:
    rows = tables.rows("find_bad_pixels", "summary")
    for name, text in (("n_hot", "hot"), ("n_dead", "dead"), ("n_strong", "always strong")):
        n = max((int(row.get(name) or 0) for row in rows), default=0)
        if n:
            yield f"{n} {text} pixels (dxdask show STORE find_bad_pixels)"
    found = tables.rows("find_spots", "bad_pixels")
    pixels = {(row["panel"], row["slow"], row["fast"]): row["reason"] for row in found}
    if pixels:
        counts = Counter(pixels.values()).most_common()
        several = ", ".join(f"{n} {reason}" for reason, n in counts)
        yield f"bad pixels that no mask had: {several} (dxdask show STORE find_spots)"


def _indexed(tables: StepTables) -> Iterator[str]:
    poor = [
        f"{row['run']} {row['percent']:.0f} %"
        for row in tables.rows("index", "imagesets")
        if row["percent"] < PERCENT_INDEXED
    ]
    if poor:
        yield (
            f"few spots are indexed: {shortened(poor, 4)}; another lattice, ice, or a wrong "
            "geometry"
        )


def _cell(tables: StepTables) -> Iterator[str]:
    found = _volumes(tables, "refine") or _volumes(tables, "index")
    if not found:
        return
    lengths = [float(np.cbrt(v)) for v in found]
    if max(lengths) / min(lengths) - 1 > CELL:
        spread = 100 * (max(lengths) / min(lengths) - 1)
        yield f"the cells of the runs differ by {spread:.1f} % in length"
    start = _volumes(tables, "index")
    change = float(np.cbrt(np.median(found) / np.median(start))) - 1 if start else 0.0
    if abs(change) > CELL:
        yield f"refinement changed the cell by {100 * change:+.1f} % in length"
    given = tables.store.step_attributes("index")["parameters"].get("indexing", {})
    cell = given.get("known_symmetry", {}).get("unit_cell")
    if cell:
        ratio = float(np.cbrt(np.median(found) / _volume(*map(float, cell)))) - 1
        # of another setting the volume is a multiple
        if CELL < abs(ratio) < 0.1:
            yield f"the cell is {100 * ratio:+.1f} % off the one given, in length"
    yield from _metric(tables)


def _metric(tables: StepTables) -> Iterator[str]:
    """Compare the cell with that of a lattice without symmetry through the same spots."""
    # points of the reciprocal lattice are those of the models of index
    step = "index" if tables.rows("index", "crystals") else ""
    try:
        table = tables.store.columns(step, ["experiment", "hkl", "rlp", "flags"])
        experiments = tables.store.experiments(step)
    except (KeyError, ValueError, OSError):  # of stills, whose spots are kept otherwise
        return
    if not {"hkl", "rlp"} <= set(table):
        return
    good = has_flag(table, Flag.USED_IN_REFINEMENT)
    worst, where = 0.0, ""
    for i, experiment in enumerate(experiments):
        mine = good & (table["experiment"] == i)
        if experiment.crystal is None or mine.sum() < FEWEST:
            continue
        hkl = table["hkl"][mine].astype(float)
        solution, _, rank, _ = np.linalg.lstsq(hkl, table["rlp"][mine], rcond=None)
        if rank < 3:
            continue
        free = np.sqrt(np.diag(np.linalg.inv(solution @ solution.T)))
        off = np.abs(free / np.array(experiment.crystal.unit_cell[:3]) - 1)
        if off.max() > worst:
            worst, where = float(off.max()), f"{'abc'[int(off.argmax())]} of {experiment.run}"
    if worst > CELL:
        yield (
            f"without symmetry {where} would be {100 * worst:.1f} % off the lattice's: the space "
            "group or the geometry is wrong"
        )


def _volumes(tables: StepTables, step: str) -> list[float]:
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    return [_volume(*(float(row[n]) for n in names)) for row in tables.rows(step, "crystals")]


def _volume(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> float:
    x, y, z = np.cos(np.radians([alpha, beta, gamma]))
    return a * b * c * float(np.sqrt(max(1 - x * x - y * y - z * z + 2 * x * y * z, 1e-9)))


def _distance(tables: StepTables) -> Iterator[str]:
    rows = tables.rows("refine", "panels")
    worst, text = DISTANCE, ""
    for row in rows:
        # runs that share a detector have one row
        run = str(row.get("run")).split(", ")[0]
        if run not in tables.store.runs or row.get("distance_mm") is None:
            continue
        panels = tables.store.run_experiment(run).detector.panels
        before = panels[min(int(row["panel"]), len(panels) - 1)].distance
        change = row["distance_mm"] / before - 1 if before else 0.0
        if abs(change) > worst:
            worst = abs(change)
            text = (
                f"the distance refined from {before:.2f} to {row['distance_mm']:.2f} mm "
                f"({100 * change:+.1f} %, {run}), and the cell's lengths with it"
            )
    if text:
        yield text


def _rmsds(tables: StepTables) -> Iterator[str]:
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
            yield f"large residuals: {shortened(poor, 4)}"


def _modules(tables: StepTables) -> Iterator[str]:
    """Compare the mean residuals of the panels; of one panel, those of its quarters."""
    if not tables.rows("refine", "rmsds"):
        return
    table = tables.store.columns("refine", ["panel", "x", "y", "x_cal", "y_cal", "flags"])
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
        yield (
            f"mean residuals differ between {what} by {spread[0]:.2f} px in x, {spread[1]:.2f} px "
            "in y: a module may be out of place"
        )


def _notch(tables: StepTables) -> Iterator[str]:
    notches = {str(r["notch"]) for r in tables.rows("histogram", "runs") if _given(r.get("notch"))}
    if notches:
        yield (
            f"no pixel of a spot has the value {shortened(sorted(notches), 3)}: a notch in the "
            "histogram, as where a detector switches its gain"
        )


def _given(value: object) -> bool:
    return value not in (None, "", "-", "none")


def _overloads(tables: StepTables) -> Iterator[str]:
    rows = tables.rows("integrate", "summary")
    poor = [
        f"{row['run']} {row['n_overloaded']}"
        for row in rows
        if row.get("n_predicted") and row.get("n_overloaded", 0) > OVERLOADED * row["n_predicted"]
    ]
    if poor:
        yield f"many overloaded reflections: {shortened(poor, 4)}; use less transmission"
    n = sum(int(v) for v in tables.values("histogram", "runs", "n_saturated"))
    if n:
        yield f"{n} pixels of spots are at saturation or above"


def _linearity(tables: StepTables) -> Iterator[str]:
    rows = [
        row
        for row in tables.rows("linearity", "ratios")
        if row.get("n") and row.get("median") and row.get("transmission")
    ]
    if not rows:
        return
    most = max(row["transmission"] for row in rows)
    off = [
        f"{row['run']} {100 * (row['median'] * most / row['transmission'] - 1):+.1f} %"
        for row in rows
        if abs(row["median"] * most / row["transmission"] - 1) > LINEARITY
    ]
    if off and len({row["transmission"] for row in rows}) > 1:
        yield f"intensities are not in proportion to transmission: {shortened(off, 4)}"


def _excluded(tables: StepTables) -> Iterator[str]:
    for row in tables.rows("scale", "summary")[:1]:
        every = int(row.get("n_reflections") or 0)
        excluded, outliers = (int(row.get(n) or 0) for n in ("n_excluded", "n_outliers"))
        if excluded > EXCLUDED * every:
            yield f"scaling used {every - excluded} of {every} reflections"
        if outliers > OUTLIERS * every:
            yield f"{outliers} of {every} reflections are outliers"


def _merging(tables: StepTables) -> Iterator[str]:
    for row in tables.rows("merge", "shells")[:1]:
        cc = row.get("cc_half")
        if isinstance(cc, (int, float)) and cc < 0.9:
            yield f"CC1/2 is {cc:.3f} in the lowest shell"
        if isinstance(row.get("completeness"), (int, float)) and row["completeness"] < 0.7:
            yield f"the lowest shell is {100 * row['completeness']:.0f} % complete"
