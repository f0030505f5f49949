"""Scale and B of the runs, along the scan and over the detector."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.page.curves import images, names_of, of_images
from dxdask.report.page.frame import outlines
from dxdask.report.page.plots import Boxes, Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.sections.detector import bins
from dxdask.report.step_tables import StepTables

_NEEDED = ("experiment", "panel", "flags", "x_cal", "y_cal", "z_cal", "d", "scale")
_ELSEWHERE = ("error_model", "error_model_bins", "absorption", "validation", "delta_cc_half")
"""Tables that other sections show."""


def make(tables: StepTables) -> Section:
    """Return scales, and the tables of scaling."""
    plots: list[Plot] = []
    if tables.present("scale", _NEEDED) == list(_NEEDED):
        plots = _scales(tables)
    n = np.arange(1, len(tables.rows("scale", "runs")) + 1)
    bs = [Series(k, n, tables.column("scale", "runs", k), "points") for k in ("b_min", "b_max")]
    if any(np.isfinite(s.y).any() for s in bs):
        plots.append(Lines(title="Least and largest B of the runs", x="run", y="B (Å²)", series=bs))
    named = [t for t in tables.tables("scale").values() if t.name not in _ELSEWHERE]
    return Section(plots=plots, tables=named)


def _scales(tables: StepTables) -> list[Plot]:
    table, experiments = tables.columns("scale", _NEEDED), tables.experiments("scale")
    good = has_flag(table, Flag.SCALED) | ~has_flag(table, Flag.BAD_FOR_SCALING)
    good &= np.isfinite(table["scale"]) & (table["scale"] > 0)
    if not good.any():
        return []
    run, scale = table["experiment"][good], table["scale"][good]
    image = np.floor(table["z_cal"][good]).astype(np.int64) + 1
    names = names_of(experiments)
    plots: list[Plot] = []
    plots += images(
        "Inverse scale by image", "mean inverse scale", of_images(run, image, scale, names)
    )
    mean = np.bincount(run, weights=scale, minlength=len(names)) / np.maximum(
        np.bincount(run, minlength=len(names)), 1
    )
    relative = scale / mean[run]
    plots += _fall_off(run, table["d"][good], relative, names)
    detector = experiments[0].detector
    if all(np.array_equal(outlines(e.detector), outlines(detector)) for e in experiments):
        xy = np.stack([table["x_cal"][good], table["y_cal"][good]], axis=1)
        box, place, n = bins(detector, table["panel"][good], xy)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.bincount(place, weights=relative, minlength=n) / np.bincount(
                place, minlength=n
            )
        plots.append(
            Boxes(
                title="Relative inverse scale over the detector", box=box,
                values={"scale / mean of the run - 1": values - 1.0}, unit="",
                outlines=outlines(detector),
            )
        )  # fmt: skip
    return plots


def _fall_off(
    run: np.ndarray, d: np.ndarray, relative: np.ndarray, names: list[str]
) -> list[Lines]:
    """Return the scale by resolution, whose logarithm has the slope -B / 2."""
    s2 = d**-2.0
    edges = np.linspace(s2.min(), s2.max(), 21)
    series = []
    for i, name in enumerate(names):
        place = np.clip(np.digitize(s2[run == i], edges) - 1, 0, 19)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(place, relative[run == i], 20) / np.bincount(place, minlength=20)
        series.append(Series(name, (edges[1:] + edges[:-1]) / 2, mean))
    return [
        Lines(title="Relative inverse scale by resolution (decay)", x="resolution d (Å)",
              y="scale / mean of the run", series=series, resolution=True)
    ]  # fmt: skip


SECTION = SectionMaker(
    name="scaling", title="Scaling", order=10, make=make, needs=("scale",), kinds=("sweeps",)
)
