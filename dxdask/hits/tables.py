"""Tables of hit finding: the events, and the hit rate over each run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.fate import Fate
from dxdask.models import ExperimentList
from dxdask.still_columns import Stills
from dxdask.tables import Table

INTERVALS = 10


def intervals(
    stills: Stills, experiments: ExperimentList
) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """Yield up to ten intervals of each run, in order: entries of a table, and rows of stills."""
    for index, member in enumerate(experiments.members):
        own = np.flatnonzero(stills["experiment"] == index)
        own = own[np.argsort(stills["image"][own], kind="stable")]
        for part in np.array_split(own, min(INTERVALS, len(own))) if len(own) else ():
            first, last = (int(stills["image"][part[i]]) + 1 for i in (0, -1))
            yield {"run": member.run, "first": first, "last": last, "n_events": len(part)}, part


def events_table(stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `events`: one row per event; not printed."""
    runs = [m.run for m in experiments.members]
    event = stills.get("event_id", np.full(len(stills["hit"]), -1))
    rows = [
        {
            "run": runs[stills["experiment"][i]], "image": int(stills["image"][i]) + 1,
            "event_id": int(event[i]), "n_spots": int(stills["n_spots"][i]),
            "hit": bool(stills["hit"][i]),
            "reason": None if stills["hit"][i] else Fate(int(stills["reason"][i])).words,
        }
        for i in range(len(stills["hit"]))
    ]  # fmt: skip
    return Table(name="events", title="Events", rows=rows, printed=False)


def hit_rate_table(stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `hit_rate`: hits in up to ten intervals of each run, in order."""
    rows = []
    for columns, part in intervals(stills, experiments):
        hits = stills["hit"][part]
        spots = stills["n_spots"][part][hits]
        rows.append({
            **columns, "n_hits": int(hits.sum()), "percent": 100.0 * float(hits.mean()),
            "median_spots": float(np.median(spots)) if len(spots) else None,
        })  # fmt: skip
    headings = {
        "run": ("run", ""), "first": ("first", ""), "last": ("last", ""),
        "n_events": ("events", ""), "n_hits": ("hits", ""), "percent": ("%", ".1f"),
        "median_spots": ("spots of a hit\nmedian", ".0f"),
    }  # fmt: skip
    return Table(name="hit_rate", title="Hits, over the run", rows=rows, headings=headings)
