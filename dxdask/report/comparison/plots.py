"""Plots of two sides: counts, cells, statistics by shell, matched intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from dxdask.errors import InputError
from dxdask.report.axes import axes_or_new, legend
from dxdask.report.comparison.matched import Matched, figures
from dxdask.report.palette import colour_of
from dxdask.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from dxdask.arrays import Floats

SIDES = ("A", "B")
N_AXES = 6
_MARKERS = ("o", "s")
_AXIS_NAMES = {
    "i_over_sigma": "<I/sigma>", "cc_half": "CC1/2", "r_meas": "R_meas", "r_pim": "R_pim",
}  # fmt: skip


def plot_comparison(
    tables: Sequence[Table],
    matched: Matched | None = None,
    axes: Sequence[Axes] | None = None,
    *,
    labels: tuple[str, str] = SIDES,
) -> list[Axes]:
    """Plot counts, cells, I/sigma, CC1/2 and matched intensities; return the six axes.

    tables, matched, labels : of a `Comparison`. axes : six to draw on; None: of a new figure. Where
    a side has no such result, the axes say so.

    Raises
    ------
    InputError
        There are not six axes.
    """
    if axes is None:
        figure = Figure(figsize=(15, 8), layout="constrained")
        axes = list(figure.subplots(2, 3).ravel())
    if len(axes) != N_AXES:
        raise InputError(f"{len(axes)} axes are given, a comparison takes {N_AXES}")
    of_name = {t.name: t for t in tables}
    counts, cells, i_over_sigma, cc_half, pairs, by_shell = axes
    plot_compared_counts(of_name.get("counts", _EMPTY), counts, labels=labels)
    plot_compared_cells(of_name.get("cells", _EMPTY), cells)
    for ax, name in ((i_over_sigma, "i_over_sigma"), (cc_half, "cc_half")):
        plot_compared_shells(of_name.get("shells", _EMPTY), name, ax, labels=labels)
    plot_compared_intensities(matched, pairs, labels=labels)
    plot_matched_shells(of_name.get("matched_shells", _EMPTY), by_shell)
    return list(axes)


def plot_compared_counts(
    table: Table | pd.DataFrame, ax: Axes | None = None, *, labels: tuple[str, str] = SIDES
) -> Axes:
    """Plot the counts of both sides and how much those of B differ, in %; table : `counts`."""
    ax, rows = axes_or_new(ax), _rows(table)
    if not rows:
        return _absent(ax, "no counts")
    place = np.arange(len(rows))
    for i, side in enumerate(SIDES):
        ax.plot(
            _column(rows, side), place, _MARKERS[i], color=colour_of(i), ms=7 - 2 * i,
            mfc="none" if i == 0 else None, ls="none", label=labels[i],
        )  # fmt: skip
    ax.set(xscale="symlog", xlabel="number (right: B / A - 1)", ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(place, [str(row["quantity"]) for row in rows])
    for y, row in zip(place, rows, strict=True):
        if row["%"] is not None:
            ax.annotate(
                f"{row['%']:+.2f} %", (1.01, y), xycoords=("axes fraction", "data"), va="center",
                fontsize="small", annotation_clip=False,
            )  # fmt: skip
    legend(ax)
    return ax


def plot_compared_cells(table: Table | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot B - A of the cell's lengths, Å, and, at the right, angles; table : `cells`."""
    ax, rows = axes_or_new(ax), _rows(table)
    known = {str(row["quantity"]): row["B - A"] for row in rows if row["B - A"] is not None}
    if not known:
        return _absent(ax, "no cells on both sides")
    angles = ax.twinx()
    for axes, names, colour in (
        (ax, ("a", "b", "c"), colour_of(0)),
        (angles, ("alpha", "beta", "gamma"), colour_of(1)),
    ):
        own = [name for name in names if name in known]
        values = [float(known[name]) for name in own]
        places = [list(known).index(name) for name in own]
        axes.plot(places, values, "o", color=colour, ls="none")
        reach = 1.2 * max((abs(v) for v in values), default=0.0) or 1e-3
        axes.set_ylim(-reach, reach)  # both with 0 in the middle
        axes.tick_params(axis="y", colors=colour)
    ax.axhline(0.0, color="0.6", lw=0.8)
    ax.set_xticks(range(len(known)), list(known))
    ax.set_ylabel("B - A of lengths (Å)", color=colour_of(0))
    angles.set_ylabel("B - A of angles (degrees)", color=colour_of(1))
    return ax


def plot_compared_shells(
    table: Table | pd.DataFrame,
    name: str = "cc_half",
    ax: Axes | None = None,
    *,
    labels: tuple[str, str] = SIDES,
) -> Axes:
    """Plot a statistic of both sides by resolution; table : `shells`.

    name : completeness, multiplicity, i_over_sigma, r_meas, r_pim or cc_half.

    Raises
    ------
    InputError
        The table has no such statistic.
    """
    ax, rows = axes_or_new(ax), _rows(table)
    if not rows:
        return _absent(ax, "no merged intensities on both sides")
    if f"{name} A" not in rows[0]:
        there = dict.fromkeys(k.rpartition(" ")[0] for k in rows[0] if not k.startswith("d_min"))
        raise InputError(f"shells have no {name!r}; they have {', '.join(there)}")
    for i, side in enumerate(SIDES):
        s2 = _column(rows, f"d_min {side}") ** -2
        ax.plot(
            s2, _column(rows, f"{name} {side}"), color=colour_of(i), ls="-" if i == 0 else "--",
            marker=_MARKERS[i], ms=3, label=labels[i],
        )  # fmt: skip
    _resolution(ax, _column(rows, "d_min A"))
    ax.set_ylabel(_AXIS_NAMES.get(name, name))
    legend(ax)
    return ax


def plot_compared_intensities(
    found: Matched | None, ax: Axes | None = None, *, labels: tuple[str, str] = SIDES
) -> Axes:
    """Plot intensities of B against those of A, with the line of their slope and the correlation.

    found : `Comparison.matched`. Reflections that are not positive on both sides are not drawn;
    slope and correlation are of all.
    """
    ax = axes_or_new(ax)
    if found is None or not ((found.a > 0) & (found.b > 0)).any():
        return _absent(ax, "no intensities on both sides")
    good = (found.a > 0) & (found.b > 0)
    a, b = found.a[good], found.b[good]
    ax.plot(a, b, ".", ms=2, color=colour_of(0), ls="none", rasterized=True)
    of_all = figures(found.a, found.b)
    if of_all["slope"] is not None and of_all["slope"] > 0:
        ends = np.array([a.min(), a.max()])
        text = f"slope {of_all['slope']:.4f}"
        if of_all["correlation"] is not None:
            text += f", correlation {of_all['correlation']:.4f}"
        ax.plot(ends, of_all["slope"] * ends, color=colour_of(1), ls="-", lw=1.2, label=text)
    ax.set(
        xscale="log", yscale="log", xlabel=f"intensity, A: {labels[0]}",
        ylabel=f"intensity, B: {labels[1]}", title=f"{of_all['n']} reflections",
    )  # fmt: skip
    legend(ax)
    return ax


def plot_matched_shells(table: Table | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot slope and correlation of matched intensities by shell; table : `matched_shells`."""
    ax, rows = axes_or_new(ax), _rows(table)
    if not rows:
        return _absent(ax, "too few intensities on both sides")
    s2 = (_column(rows, "d_min") ** -2 + _column(rows, "d_max") ** -2) / 2
    for i, name in enumerate(("correlation", "slope")):
        ax.plot(
            s2, _column(rows, name), color=colour_of(i), ls="-" if i == 0 else "--",
            marker=_MARKERS[i], ms=3, label=name,
        )  # fmt: skip
    _resolution(ax, s2**-0.5)
    ax.set_ylabel("correlation, slope")
    legend(ax)
    return ax


_EMPTY = Table(name="none", title="", rows=[])


def _rows(table: Table | pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the rows of a table, None where there is no number."""
    if isinstance(table, Table):
        return list(table.rows)
    records: list[dict[Any, Any]] = table.to_dict("records")
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in records
    ]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    values = [row.get(name) for row in rows]
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _resolution(ax: Axes, d: Floats) -> None:
    """Label an axis of 1/d^2 with some of the d, Å."""
    some = d[np.isfinite(d)][:: max(1, len(d) // 5)]
    ax.set_xticks(some**-2, [f"{v:.2f}" for v in some])
    ax.set_xlabel("resolution d (Å)")


def _absent(ax: Axes, text: str) -> Axes:
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()
    return ax
