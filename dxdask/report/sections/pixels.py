"""Histograms of the pixel values of indexed spots, with the notch and the pile-up."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

LOW = 60
N_BINS = 80


def make(tables: StepTables) -> Section:
    """Return the histograms: each value of the low ones, and bins of equal ratio of all."""
    arrays = tables.arrays("histogram", "bin_centres", "histogram")
    centres, counts = arrays["bin_centres"], arrays["histogram"]
    runs = tables.texts("histogram", "runs", "run")
    low = centres <= LOW
    each = [
        Series(str(r), centres[low], _gaps(c[low]), "step")
        for r, c in zip(runs, counts, strict=True)
    ]
    edges = np.unique(np.rint(np.geomspace(1, max(centres[-1], 2), N_BINS)))
    place = np.digitize(centres, edges) - 1
    width = np.bincount(np.maximum(place, 0), minlength=len(edges))
    middle = np.sqrt(edges[:-1] * edges[1:])
    every = []
    for run, row in zip(runs, counts, strict=True):
        total = np.bincount(
            np.maximum(place, 0), weights=np.where(place < 0, 0, row), minlength=len(edges)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            density = (total / width)[: len(middle)]
        every.append(Series(str(run), middle, _gaps(density), "step"))
    notches = sorted({str(r["notch"]) for r in tables.rows("histogram", "runs") if r.get("notch")})
    lines = [f"notch: no pixel has the value {', '.join(notches)}"] if notches else ["no notch"]
    common = {"x": "pixel value (counts)", "y": "pixels of indexed spots", "log_y": True}
    return Section(
        lines=lines,
        plots=[
            Lines(title=f"Pixel values up to {LOW}", series=each, **common),  # type: ignore[arg-type]
            Lines(title="Pixel values, per count", series=every, log_x=True, **common),  # type: ignore[arg-type]
        ],
        tables=stored(tables, "histogram", "runs"),
    )


def _gaps(values: Floats) -> Floats:
    """Return values with NaN in place of 0, which a logarithmic axis cannot show."""
    return np.where(values > 0, values, np.nan)


SECTION = SectionMaker(
    name="pixels", title="Pixel values", order=8, make=make, needs=("histogram",), kinds=("sweeps",)
)
