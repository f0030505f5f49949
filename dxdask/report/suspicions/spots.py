"""Spots that are missing, and spots that are not indexed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion
from dxdask.tables import shortened

PERCENT_INDEXED = 70.0


def suspicious_spots(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious of spots."""
    for check in (_images, _indexed, _stills):
        yield from check(tables)


def _images(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("find_spots", "images")
    counts = np.array([row["n_spots"] for row in rows], dtype=float)
    if not len(counts) or "hits" in tables:  # of stills most are blank
        return
    runs = np.array([row["run"] for row in rows])
    empty = [
        f"{np.sum(counts[runs == run] == 0)} of {np.sum(runs == run)} images of {run}"
        for run in dict.fromkeys(runs.tolist())
        if np.mean(counts[runs == run] == 0) > 0.1
    ]
    if empty:
        yield Suspicion(
            f"no spots on {shortened(empty, 3)}",
            "look at these frames; exclude them with image_range, or lower the threshold",
            "spots",
        )


def _indexed(tables: StepTables) -> Iterator[Suspicion]:
    poor = [
        f"{row['run']} {row['percent']:.0f} %"
        for row in tables.rows("index", "imagesets")
        if row["percent"] < PERCENT_INDEXED
    ]
    if poor:
        yield Suspicion(
            f"few spots are indexed: {shortened(poor, 4)}; another lattice, ice, or a wrong "
            "geometry",
            "see where unindexed spots are; try max_lattices=2, ice rings or search_beam_position",
            "spots",
        )


def _stills(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("index", "stills")
    hits = [row for row in rows if row.get("hit")]
    failed = [str(row.get("reason")) for row in hits if not row.get("indexed")]
    if rows and not hits:
        yield Suspicion(
            f"none of {len(rows)} events is a hit",
            "see the spots by event; lower the threshold, or the least number of spots of a hit "
            "(dxdask hits -c)",
            "stills",
        )
    elif len(failed) > (1 - PERCENT_INDEXED / 100) * len(hits):
        why = [f"{n} {reason}" for reason, n in Counter(failed).most_common()]
        yield Suspicion(
            f"{len(hits) - len(failed)} of {len(hits)} hits are indexed: {shortened(why, 3)}",
            "give the cell (indexing.known_symmetry.unit_cell), correct the geometry "
            "(input.reference_geometry), or look at some of them in dxdask view",
            "stills",
        )
