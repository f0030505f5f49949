"""Findings on results of a job that are unlike good data, each with its figure and what to do.

The limits are loose: what is within them may still be wrong, what is outside deserves a look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import gemmi
import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.step_tables import StepTables
from dxdask.tables import shortened

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


class Suspicion(NamedTuple):
    """What is unlike good data.

    Attributes
    ----------
    text : with its figure. action : what to do. section : of the report that shows it.
    """

    text: str
    action: str
    section: str


def suspicions(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious in the tables of a store, in the order of processing."""
    for check in (
        _images, _bad_pixels, _indexed, _cell, _distance, _rmsds, _moved, _modules, _notch,
        _overloads, _linearity, _excluded, _merging,
    ):  # fmt: skip
        yield from check(tables)


def _images(tables: StepTables) -> Iterator[Suspicion]:
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
        yield Suspicion(
            f"no spots on {shortened(empty, 3)}",
            "look at these frames; exclude them with image_range, or lower the threshold",
            "spots",
        )


def _bad_pixels(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("find_bad_pixels", "summary")
    for name, text in (("n_hot", "hot"), ("n_dead", "dead"), ("n_strong", "always strong")):
        n = max((int(row.get(name) or 0) for row in rows), default=0)
        if n:
            yield Suspicion(
                f"{n} {text} pixels (dxdask show STORE find_bad_pixels)",
                "mask them: dxdask apply_mask STORE mask=find_bad_pixels",
                "bad_pixels",
            )
    found = tables.rows("find_spots", "bad_pixels")
    pixels = {(row["panel"], row["slow"], row["fast"]): row["reason"] for row in found}
    if pixels:
        counts = Counter(pixels.values()).most_common()
        several = ", ".join(f"{n} {reason}" for reason, n in counts)
        yield Suspicion(
            f"bad pixels that no mask had: {several} (dxdask show STORE find_spots)",
            "they are excluded here; have them put in the mask of the detector",
            "bad_pixels",
        )


def _indexed(tables: StepTables) -> Iterator[Suspicion]:
    poor = [
        f"{row['run']} {row['percent']:.0f} %"
        for row in tables.rows("index", "imagesets")
        if row["percent"] < PERCENT_INDEXED
    ]
    if poor:
        yield Suspicion(
            f"few spots are indexed: {shortened(poor, 4)}; another lattice, ice, or a wrong "
            "geometry",
            "see where unindexed spots are; try max_lattices=2, ice rings or search_beam_position",
            "spots",
        )


def _cell(tables: StepTables) -> Iterator[Suspicion]:
    found = _volumes(tables, "refine") or _volumes(tables, "index")
    if not found:
        return
    lengths = [float(np.cbrt(v)) for v in found]
    if max(lengths) / min(lengths) - 1 > CELL:
        spread = 100 * (max(lengths) / min(lengths) - 1)
        yield Suspicion(
            f"the cells of the runs differ by {spread:.1f} % in length",
            "check that all runs are of one crystal form and have the same distance",
            "crystals",
        )
    start = _volumes(tables, "index")
    change = float(np.cbrt(np.median(found) / np.median(start))) - 1 if start else 0.0
    if abs(change) > CELL:
        yield Suspicion(
            f"refinement changed the cell by {100 * change:+.1f} % in length",
            "check distance and wavelength of the header",
            "crystals",
        )
    given = tables.store.step_attributes("index")["parameters"].get("indexing", {})
    cell = given.get("known_symmetry", {}).get("unit_cell")
    if cell:
        ratio = float(np.cbrt(np.median(found) / gemmi.UnitCell(*map(float, cell)).volume)) - 1
        # of another setting the volume is a multiple
        if CELL < abs(ratio) < 0.1:
            yield Suspicion(
                f"the cell is {100 * ratio:+.1f} % off the one given, in length",
                "check distance, wavelength and the cell given",
                "crystals",
            )
    yield from _metric(tables)


def _metric(tables: StepTables) -> Iterator[Suspicion]:
    """Compare the cell with that of a lattice without symmetry through the same spots."""
    # points of the reciprocal lattice are those of the models of index
    step = "index" if tables.rows("index", "crystals") else ""
    try:
        table = tables.columns(step, ["experiment", "hkl", "rlp", "flags"])
        experiments = tables.experiments(step)
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
        yield Suspicion(
            f"without symmetry {where} would be {100 * worst:.1f} % off the lattice's: the space "
            "group or the geometry is wrong",
            "try the settings with dxdask refine_bravais_settings STORE, without space_group",
            "crystals",
        )


def _volumes(tables: StepTables, step: str) -> list[float]:
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    rows = tables.rows(step, "crystals")
    return [gemmi.UnitCell(*(float(row[n]) for n in names)).volume for row in rows]


def _distance(tables: StepTables) -> Iterator[Suspicion]:
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


def _notch(tables: StepTables) -> Iterator[Suspicion]:
    notches = {str(r["notch"]) for r in tables.rows("histogram", "runs") if _given(r.get("notch"))}
    if notches:
        yield Suspicion(
            f"no pixel of a spot has the value {shortened(sorted(notches), 3)}: a notch in the "
            "histogram, as where a detector switches its gain",
            "compare runs of several transmissions: dxdask linearity STORE",
            "pixels",
        )


def _given(value: object) -> bool:
    return value not in (None, "", "-", "none")


def _overloads(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("integrate", "summary")
    poor = [
        f"{row['run']} {row['n_overloaded']}"
        for row in rows
        if row.get("n_predicted") and row.get("n_overloaded", 0) > OVERLOADED * row["n_predicted"]
    ]
    if poor:
        yield Suspicion(
            f"many overloaded reflections: {shortened(poor, 4)}",
            "record with less transmission",
            "integration",
        )
    n = sum(int(v) for v in tables.values("histogram", "runs", "n_saturated"))
    if n:
        yield Suspicion(
            f"{n} pixels of spots are at saturation or above",
            "reflections with them are not used; record with less transmission",
            "pixels",
        )


def _linearity(tables: StepTables) -> Iterator[Suspicion]:
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
        yield Suspicion(
            f"intensities are not in proportion to transmission: {shortened(off, 4)}",
            "check the transmissions of the header, and the response of the detector",
            "linearity",
        )


def _excluded(tables: StepTables) -> Iterator[Suspicion]:
    for row in tables.rows("scale", "summary")[:1]:
        every = int(row.get("n_reflections") or 0)
        excluded, outliers = (int(row.get(n) or 0) for n in ("n_excluded", "n_outliers"))
        if excluded > EXCLUDED * every:
            yield Suspicion(
                f"scaling used {every - excluded} of {every} reflections",
                "look at the reasons in the table of exclusions",
                "scaling",
            )
        if outliers > OUTLIERS * every:
            yield Suspicion(
                f"{outliers} of {every} reflections are outliers",
                "look where they are: ice, shadows, bad pixels or a wrong symmetry",
                "outliers",
            )


def _merging(tables: StepTables) -> Iterator[Suspicion]:
    for row in tables.rows("merge", "shells")[:1]:
        cc = row.get("cc_half")
        if isinstance(cc, (int, float)) and cc < 0.9:
            yield Suspicion(
                f"CC1/2 is {cc:.3f} in the lowest shell",
                "check symmetry and setting of the runs (dxdask reindex), beam stop and overloads",
                "merging",
            )
        if isinstance(row.get("completeness"), (int, float)) and row["completeness"] < 0.7:
            yield Suspicion(
                f"the lowest shell is {100 * row['completeness']:.0f} % complete",
                "record more rotation, or with less transmission: strong reflections are missing",
                "merging",
            )
