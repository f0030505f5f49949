"""Curves of tables and reflections: a value of each image, one curve a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import ExperimentList
from dxdask.report.page.plots import Lines, Series, Style
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table


def by_run(
    tables: StepTables, step: str, table: str, x: str, y: str, style: Style = "line"
) -> list[Series]:
    """Return y against x of a table, one curve a run; none where no row has a y."""
    xs, ys = (tables.column(step, table, name) for name in (x, y))
    runs = tables.texts(step, table, "run")
    if not np.isfinite(ys).any():
        return []
    return [
        Series(str(run), xs[runs == run], ys[runs == run], style) for run in dict.fromkeys(runs)
    ]


def of_images(
    run: NDArray[Any], image: NDArray[np.int64], values: NDArray[Any], names: Sequence[str]
) -> list[Series]:
    """Return the mean of values (n,) by image, one curve for each name that run (n,) counts."""
    curves = []
    for i, name in enumerate(names):
        mine = run == i
        if not mine.any():
            continue
        first = int(image[mine].min())
        n = np.bincount(image[mine] - first)
        sums = np.bincount(image[mine] - first, weights=values[mine])
        with np.errstate(invalid="ignore", divide="ignore"):
            curves.append(Series(name, first + np.arange(len(n)), sums / n))
    return curves


def names_of(experiments: ExperimentList) -> list[str]:
    """Return a name for each experiment: its run, with a number where it has several lattices."""
    runs = [e.run for e in experiments]
    return [
        run if runs.count(run) == 1 else f"{run}, lattice {runs[:i].count(run) + 1}"
        for i, run in enumerate(runs)
    ]


def images(title: str, y: str, series: Sequence[Series], **options: Any) -> list[Lines]:
    """Return the plot of curves against the image, none where there is no curve."""
    found = Lines(title=title, x="image", y=y, series=series, **options)
    return [found] if series else []


def shells(title: str, y: str, series: Sequence[Series], **options: Any) -> list[Lines]:
    """Return the plot of curves against 1/d^2, labelled with d, none where there is no curve."""
    found = Lines(title=title, x="resolution d (Å)", y=y, series=series, resolution=True, **options)
    return [found] if series else []


def stored(tables: StepTables, step: str, *names: str) -> list[Table]:
    """Return tables of a step as they are stored; those that are not there are left out."""
    if step not in tables:
        return []
    found = {t.name: t for t in tables.store.tables(step)}
    return [found[name] for name in names if name in found]
