"""Plot of runs of stills: hits and spots over time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dxdask.report.axes import legend
from dxdask.report.palette import colour_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from dxdask.storage.store.store import Store

EVENTS_OF_A_RATE = 12


def plot_hits(store: Store, ax: Axes | None = None, *, n_bins: int | None = None) -> Axes:
    """Plot the spots of each event, in order, and the rates of hits and of indexed events.

    n_bins : of the rates; None: at least 12 events in each. Runs follow each other.
    """
    ax = ax or _axes()
    events, indexed = _events(store)
    n = len(events)
    hit = events["hit"].to_numpy(dtype=bool)
    at, spots = np.arange(1, n + 1), events["n_spots"].to_numpy()
    fates = {"no hit": ~hit, "hit, not indexed": hit & ~indexed, "indexed": indexed}
    for (name, rows), colour in zip(
        fates.items(), ("0.7", colour_of(1), colour_of(0)), strict=True
    ):
        ax.plot(at[rows], spots[rows], ".", color=colour, label=name)
    ax.set(xlabel="event", ylabel="spots", ylim=(0, None))
    edges = np.linspace(0, n, (n_bins or max(1, min(40, n // EVENTS_OF_A_RATE))) + 1).astype(int)
    rates = ax.twinx()
    # a broad line for hits: the two are often the same
    for name, which, colour, width in (
        ("hits", hit, colour_of(1), 3.0),
        ("indexed", indexed, colour_of(0), 1.0),
    ):
        share = [100.0 * which[a:b].mean() for a, b in pairwise(edges)]
        rates.stairs(share, edges + 0.5, baseline=None, label=f"{name} (%)", color=colour, lw=width)
    rates.set(ylabel="% of the events", ylim=(0, 100))
    legend(ax, loc="upper left")
    legend(rates, loc="upper right")
    return ax


def _events(store: Store) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the table of events, and True (n,) for those that are indexed in the store."""
    if store.has_step("index"):
        stills = store.table("index", "stills")
        return stills, stills["indexed"].to_numpy(dtype=bool)
    events = store.table("hits", "events")
    return events, np.zeros(len(events), dtype=np.bool_)


def _axes() -> Axes:
    axes: Axes = Figure(figsize=(7, 4), layout="constrained").subplots()
    return axes
