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
    if not np.isfinite(ys).any():
        return []
    rows: dict[str, list[int]] = {}
    for i, row in enumerate(tables.rows(step, table)):
        rows.setdefault(str(row.get("run")), []).append(i)
    return [Series(run, xs[own], ys[own], style) for run, own in rows.items()]


def of_images(
    run: NDArray[Any], image: NDArray[np.int64], values: NDArray[Any], names: Sequence[str]
) -> list[Series]:
    """Return the mean of values (n,) by image, one curve for each name that run (n,) counts."""
    if not len(run):
        return []
    first, last = np.full((2, len(names)), [[image.max()], [image.min() - 1]])
    np.minimum.at(first, run, image)
    np.maximum.at(last, run, image)
    ends = np.concatenate([[0], np.cumsum(np.maximum(last - first + 1, 0))])
    place = (ends[:-1] - first)[run] + image
    n = np.bincount(place, minlength=ends[-1])
    sums = np.bincount(place, weights=values, minlength=ends[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / n
    return [
        Series(name, first[i] + np.arange(ends[i + 1] - ends[i]), mean[ends[i] : ends[i + 1]])
        for i, name in enumerate(names)
        if ends[i + 1] > ends[i]
    ]


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
    found = tables.tables(step)
    return [found[name] for name in names if name in found]
