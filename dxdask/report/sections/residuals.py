"""Residuals: RMSD and mean by image, histograms, z-scores."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, has_flag
from dxdask.report.page.curves import images, names_of, of_images, stored
from dxdask.report.page.plots import Grid, Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

UNITS = {"x": "px", "y": "px", "z": "images"}
N_BINS = 60


def make(tables: StepTables) -> Section | None:
    """Return the residuals of the reflections that refinement used."""
    step = next((s for s in ("refine", "index") if tables.present(s, ["x_cal"])), None)
    if step is None:
        return None
    axes = [a for a in "xyz" if tables.present(step, [f"{a}_cal", f"{a}_variance"])]
    table = tables.columns(
        step,
        ["experiment", "flags", "z", *(n for a in axes for n in (a, f"{a}_cal", f"{a}_variance"))],
    )
    used = has_flag(table, Flag.USED_IN_REFINEMENT)
    if not used.any():
        return None
    run, image = table["experiment"][used], np.floor(table["z"][used]).astype(np.int64) + 1
    names = names_of(tables.experiments(step))
    plots: list[Plot] = []
    off, scores = {}, {}
    for axis in axes:
        off[axis] = (table[axis] - table[f"{axis}_cal"])[used]
        with np.errstate(divide="ignore", invalid="ignore"):
            scores[axis] = off[axis] / np.sqrt(table[f"{axis}_variance"][used])
        unit = UNITS[axis]
        squares = of_images(run, image, off[axis] ** 2, names)
        rmsd = [Series(s.name, s.x, np.sqrt(s.y)) for s in squares]
        plots += images(f"RMSD {axis} by image", f"RMSD {axis} ({unit})", rmsd)
        mean = of_images(run, image, off[axis], names)
        plots += images(f"Mean residual {axis} by image", f"mean residual {axis} ({unit})", mean)
    plots += _histograms("Residuals", "observed - predicted (px, images)", off)
    plots += _histograms("Z-scores of the residuals", "residual / standard deviation", scores, 5.0)
    if {"x", "y"} <= set(off):
        reach = _reach(np.concatenate([off["x"], off["y"]]))
        plots.append(
            grid(
                "Residuals x and y", off["x"], off["y"], ("x (px)", "y (px)"), square=True,
                n_bins=(80, 80), x_range=(-reach, reach), y_range=(-reach, reach),
            )
        )  # fmt: skip
        plots += [_against_z(axis, off) for axis in ("x", "y") if "z" in off]
    return Section(
        lines=[f"observed less predicted centroids of {used.sum()} reflections of {step}"],
        plots=plots,
        tables=stored(tables, step, "rmsds", "steps"),
    )


def _against_z(axis: str, off: dict[str, Floats]) -> Grid:
    """Return the density of the residuals of an axis and of z."""
    reach, of_z = _reach(off[axis]), _reach(off["z"])
    return grid(
        f"Residuals {axis} and z", off[axis], off["z"],
        (f"{axis} ({UNITS[axis]})", f"z ({UNITS['z']})"), n_bins=(80, 80),
        x_range=(-reach, reach), y_range=(-of_z, of_z),
    )  # fmt: skip


def _reach(values: Floats) -> float:
    return 4.0 * max(1.4826 * float(np.median(np.abs(values))), 1e-6)


def _histograms(title: str, x: str, values: dict[str, Floats], reach: float = 0.0) -> list[Lines]:
    series = []
    for axis, found in values.items():
        finite = found[np.isfinite(found)]
        if not len(finite):
            continue
        limit = reach or _reach(finite)
        counts, edges = np.histogram(finite, N_BINS, (-limit, limit))
        series.append(Series(axis, (edges[1:] + edges[:-1]) / 2, counts, "step"))
    return [Lines(title=title, x=x, y="reflections", series=series)] if series else []


SECTION = SectionMaker(
    name="residuals", title="Residuals", order=4, make=make, needs=("index",), kinds=("sweeps",)
)
