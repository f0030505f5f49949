"""Outliers of scaling, in place and along the scan."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.page.curves import images, names_of
from dxdask.report.page.frame import on_frame, outlines
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

_NEEDED = ("experiment", "panel", "flags", "x_cal", "y_cal", "z_cal")


def make(tables: StepTables) -> Section | None:
    """Return where and when outliers were observed."""
    if tables.present("scale", _NEEDED) != list(_NEEDED):
        return None
    table, experiments = tables.columns("scale", _NEEDED), tables.experiments("scale")
    rows = np.flatnonzero(has_flag(table, Flag.OUTLIER_IN_SCALING))
    if not len(rows):
        return Section(lines=["scaling rejected no outlier"])
    own = {name: values[rows] for name, values in table.items()}
    xy, names = on_frame(own, experiments, "_cal"), names_of(experiments)
    image = np.floor(own["z_cal"]) + 1
    box = outlines(experiments[0].detector)
    frame = [Series(f"panel {i}", *_around(b), "line") for i, b in enumerate(box)]
    points = [
        Series(n, xy[mine, 0], xy[mine, 1], "points", image=image[mine].astype(np.int32))
        for n, mine in ((n, own["experiment"] == i) for i, n in enumerate(names))
        if mine.any()
    ]
    plots: list[Plot] = [
        Lines(title="Outliers over the detector", x="fast (px)", y="slow (px)",
              series=[*points, *frame], y_down=True, square=True)
    ]  # fmt: skip
    counts = []
    for i, n in enumerate(names):
        at, number = np.unique(image[own["experiment"] == i], return_counts=True)
        if len(at):
            counts.append(Series(n, at, number, "points"))
    plots += images("Outliers by image", "outliers", counts)
    return Section(lines=[f"{len(rows)} of {len(table['flags'])} reflections"], plots=plots)


def _around(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x0, x1, y0, y1 = box
    return np.array([x0, x1, x1, x0, x0]), np.array([y0, y0, y1, y1, y0])


SECTION = SectionMaker(
    name="outliers", title="Outliers", order=12, make=make, needs=("scale",), kinds=("sweeps",)
)
