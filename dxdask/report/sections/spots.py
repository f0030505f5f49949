"""Spots by image and over the detector, indexed and unindexed."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.page.curves import by_run, images, of_images, stored
from dxdask.report.page.frame import frame_grid, on_frame
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables


def make(tables: StepTables) -> Section:
    """Return spots by image, those indexed, and their places."""
    spots = by_run(tables, "find_spots", "images", "image", "n_spots")
    strong = by_run(tables, "find_spots", "images", "image", "n_strong_pixels")
    plots: list[Plot] = [*images("Spots by image", "spots", spots)]
    plots += images("Strong pixels by image", "pixels", strong, log_y=True)
    step = "index" if tables.present("index", ["experiment", "x", "y", "z", "panel"]) else ""
    if step:
        plots += _indexed(tables, step)
    return Section(plots=plots, tables=stored(tables, "index", "imagesets", "fates", "candidates"))


def _indexed(tables: StepTables, step: str) -> list[Plot]:
    table = tables.columns(step, ["experiment", "panel", "x", "y", "z", "flags"])
    experiments = tables.experiments(step)
    indexed = has_flag(table, Flag.INDEXED)
    runs = list(experiments.runs)
    of_run = np.array([runs.index(e.run) for e in experiments], np.int64)
    run = of_run[table["experiment"]]
    image = np.floor(table["z"]).astype(np.int64) + 1
    percent = of_images(run, image, 100.0 * indexed, runs)
    unindexed = _counts(run[~indexed], image[~indexed], runs)
    xy = on_frame(table, experiments)
    plots: list[Plot] = [*images("Indexed spots by image", "% of the spots", percent)]
    plots += images("Unindexed spots by image", "spots", unindexed)
    for title, rows in (("Indexed spots", indexed), ("Unindexed spots", ~indexed)):
        if rows.any():
            plots.append(frame_grid(f"{title} over the detector", xy[rows], experiments, "spots"))
    plots.append(
        grid(
            "Spots over the scan", image, xy[:, 1], ("image", "slow (px)"), unit="spots",
            n_bins=(min(int(np.ptp(image)) + 1, 160), 80),
        )
    )  # fmt: skip
    return [p for p in plots if not isinstance(p, Lines) or p.series]


def _counts(run: np.ndarray, image: np.ndarray, names: list[str]) -> list[Series]:
    found = []
    for i, name in enumerate(names):
        mine = image[run == i]
        if len(mine):
            n = np.bincount(mine - mine.min())
            found.append(Series(name, mine.min() + np.arange(len(n)), n))
    return found


SECTION = SectionMaker(name="spots", title="Spots", order=2, make=make, needs=("find_spots",))
