"""Delta CC1/2 of the runs, crystals or groups of images: parts of the data that harm the whole."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

N_BINS = 40
_PARTS = {"first_image": "group of images", "crystal": "crystal", "run": "run"}


def make(tables: StepTables) -> Section | None:
    """Return CC1/2 of all data less that without each part."""
    named = stored(tables, "scale", "delta_cc_half")
    delta = tables.column("scale", "delta_cc_half", "delta_cc_half")
    good = np.isfinite(delta)
    if not good.any():
        return None
    at = np.arange(1, len(delta) + 1)
    excluded = np.isfinite(tables.column("scale", "delta_cc_half", "excluded_in_cycle"))
    given = tables.store.step_attributes("scale")["parameters"].get("scaling", {})
    cutoff = given.get("filtering", {}).get("deltacchalf", {}).get("stdcutoff")
    curves = [
        Series(name, at[rows], delta[rows], "points")
        for name, rows in (("used", good & ~excluded), ("excluded", good & excluded))
        if rows.any()
    ]
    if cutoff is not None and good.sum() > 2:
        limit = float(delta[good].mean() - cutoff * delta[good].std())
        ends = np.array([1.0, float(len(delta))])
        curves.append(
            Series(f"mean - {cutoff:g} standard deviations", ends, np.full(2, limit), "dashed")
        )
    what = next(name for column, name in _PARTS.items() if column in named[0].rows[0])
    plots: list[Plot] = [
        Lines(title=f"Delta CC1/2 by {what}", x=f"{what} (row of the table)", y="delta CC1/2",
              series=curves)
    ]  # fmt: skip
    if good.sum() > N_BINS:
        counts, edges = np.histogram(delta[good], N_BINS)
        middle = (edges[1:] + edges[:-1]) / 2
        plots.append(
            Lines(title="Histogram of delta CC1/2", x="delta CC1/2", y=f"number of {what}s",
                  series=[Series("parts", middle, counts, "step")])
        )  # fmt: skip
    return Section(lines=["negative: CC1/2 is higher without this part"], plots=plots, tables=named)


SECTION = SectionMaker(
    name="delta_cc_half", title="Delta CC1/2", order=12.5, make=make, needs=("scale",),
    kinds=("sweeps",),
)  # fmt: skip
