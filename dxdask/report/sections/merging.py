"""Merging statistics by resolution: every column of the table of shells."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import shells
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

_TOGETHER = (
    ("CC1/2", "correlation", ("cc_half", "cc_anom", "cc_star")),
    ("I/sigma", "<I/sigma>", ("i_over_sigma",)),
    ("R values", "R", ("r_merge", "r_meas", "r_pim", "r_split", "r_anom")),
    ("Completeness", "fraction", ("completeness", "anomalous_completeness")),
    ("Multiplicity", "observations of a reflection", ("multiplicity", "anomalous_multiplicity")),
    ("Observations and unique reflections", "number", ("n_obs", "n_unique")),
)
_EDGES = ("d_min", "d_max", "wavelength")


def make(tables: StepTables) -> Section:
    """Return curves and tables of merging; a column that is not known has a plot of its own."""
    rows = tables.rows("merge", "shells")
    columns = list(rows[0]) if rows else []
    known = {name for *_, names in _TOGETHER for name in names}
    others = [(n, n, (n,)) for n in columns if n not in known and n not in _EDGES]
    d_min, d_max = (tables.column("merge", "shells", k) for k in ("d_min", "d_max"))
    waves = tables.texts("merge", "shells", "wavelength") if "wavelength" in columns else None
    plots: list[Plot] = []
    for title, y, names in (*_TOGETHER, *others):
        curves = []
        for name in names:
            if name not in columns or not _numbers(rows[0][name]):
                continue
            values = tables.column("merge", "shells", name)
            for wave in [None] if waves is None else list(dict.fromkeys(waves)):
                mine = np.ones(len(rows), bool) if wave is None else waves == wave
                middle = (d_min[mine] ** -2 + d_max[mine] ** -2) / 2
                label = name if wave is None else f"{name}, {wave} Å"
                if np.isfinite(values[mine]).any():
                    curves.append(Series(label, middle, values[mine]))
        plots += shells(f"{title} by resolution", y, curves, log_y=title == "I/sigma")
    if tables.present("merge", ["n_observations"]):
        plots.append(_multiplicities(tables))
    return Section(plots=plots, tables=list(tables.tables("merge").values()))


def _multiplicities(tables: StepTables) -> Lines:
    """Return the numbers of unique reflections by the observations that they are merged from."""
    n, counts = np.unique(
        tables.columns("merge", ["n_observations"])["n_observations"], return_counts=True
    )
    return Lines(
        title="Reflections by multiplicity", x="observations of a reflection",
        y="unique reflections", series=[Series("reflections", n, counts, "step")],
    )  # fmt: skip


def _numbers(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


SECTION = SectionMaker(name="merging", title="Merging", order=14, make=make, needs=("merge",))
