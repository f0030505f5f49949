"""Hits and indexed events along the run, cells, mosaicity, partiality of stills."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.models.crystal import cell_of
from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

CELL = ("a", "b", "c", "alpha", "beta", "gamma")
EVENTS_OF_A_RATE = 12


def make(tables: StepTables) -> Section:
    """Return fates of events and the distributions of what was refined of them."""
    plots = _along(tables)
    if "index" in tables and {"a_matrix", "indexed"} <= set(_arrays(tables, "index")):
        plots += _crystals(tables)
    plots += _merged(tables)
    if tables.present("integrate", ["partiality"]):
        values = tables.columns("integrate", ["partiality"])["partiality"]
        plots += _histogram("Partiality", "partiality", {"reflections": values})
    return Section(
        plots=plots,
        tables=[
            *stored(tables, "index", "cell", "fates", "consensus", "index_rate"),
            *stored(tables, "integrate", "summary"),
            *stored(tables, "merge", "cycles", "ambiguity"),
        ],
    )


def _arrays(tables: StepTables, step: str) -> dict[str, np.ndarray]:
    return tables.store.arrays(step)


def _along(tables: StepTables) -> list[Plot]:
    step, name = ("index", "stills") if tables.rows("index", "stills") else ("hits", "events")
    rows = tables.rows(step, name)
    at, spots = np.arange(1, len(rows) + 1), tables.column(step, name, "n_spots")
    hit = np.array([bool(r.get("hit")) for r in rows], np.bool_)
    indexed = np.array([bool(r.get("indexed")) for r in rows], np.bool_)
    groups = {"no hit": ~hit, "hit, not indexed": hit & ~indexed, "indexed": indexed}
    n_bins = max(1, min(400, len(rows) // EVENTS_OF_A_RATE))
    place = np.minimum((at - 1) * n_bins // max(len(rows), 1), n_bins - 1)
    n = np.maximum(np.bincount(place, minlength=n_bins), 1)
    middle = np.bincount(place, at, n_bins) / n
    # of each event, and of the first one of each rate, its image and run
    number = {run: i for i, run in enumerate(tables.runs)}
    image = np.array([int(r.get("image") or 0) for r in rows], np.int64)
    run = np.array([number.get(str(r.get("run")), 0) for r in rows], np.int64)
    first = np.searchsorted(place, np.arange(n_bins))
    rates = [
        Series(k, middle, 100.0 * np.bincount(place, v, n_bins) / n, "step", False, image[first],
               run[first])
        for k, v in (("hits", hit), ("indexed", indexed))
        if len(rows)
    ]  # fmt: skip
    return [
        Lines(title="Spots by event", x="event", y="spots",
              series=[Series(k, at[v], spots[v], "points", False, image[v], run[v])
                      for k, v in groups.items() if v.any()]),
        Lines(title="Hits and indexed events along the run", x="event", y="% of the events",
              series=rates),
    ]  # fmt: skip


def _crystals(tables: StepTables) -> list[Plot]:
    arrays = _arrays(tables, "index")
    which = arrays["indexed"]
    if not which.any():
        return []
    cells = np.array([cell_of(a) for a in arrays["a_matrix"][which]])
    plots: list[Plot] = []
    plots += _histogram("Cell lengths", "Å", dict(zip(CELL[:3], cells[:, :3].T, strict=True)))
    plots += _histogram("Cell angles", "degree", dict(zip(CELL[3:], cells[:, 3:].T, strict=True)))
    rmsd = {k: arrays[f"rmsd_{k}_px"][which] for k in "xy" if f"rmsd_{k}_px" in arrays}
    plots += _histogram("RMSD of the events", "px", rmsd)
    for name, title, unit in (
        ("half_mosaicity", "Half mosaicity", "degree"),
        ("domain_size", "Domain size", "Å"),
        ("wavelength", "Wavelength of indexed events", "Å"),
    ):
        if name in arrays:
            plots += _histogram(title, unit, {"events": arrays[name][which]})
    return plots


def _merged(tables: StepTables) -> list[Plot]:
    if not tables.rows("merge", "stills"):
        return []
    plots: list[Plot] = []
    for name, title, unit in (
        ("scale", "Scale of the events", "G"), ("b_factor", "B of the events", "Å²"),
        ("cc_to_others", "Correlation with the other events", "correlation"),
        ("rlp_radius", "Radius of reciprocal lattice points", "1/Å"),
    ):  # fmt: skip
        plots += _histogram(title, unit, {"events": tables.column("merge", "stills", name)})
    return plots


def _histogram(title: str, x: str, values: dict[str, Floats], n_bins: int = 40) -> list[Plot]:
    finite = {k: v[np.isfinite(v)] for k, v in values.items()}
    finite = {k: v for k, v in finite.items() if len(v)}
    if not finite:
        return []
    every = np.concatenate(list(finite.values()))
    low, high = np.quantile(every, [0.01, 0.99])
    pad = max((high - low) / 4, abs(high) * 1e-4, 1e-9)
    series = []
    for name, found in finite.items():
        counts, edges = np.histogram(
            np.clip(found, low - pad, high + pad), n_bins, (low - pad, high + pad)
        )
        series.append(Series(name, (edges[1:] + edges[:-1]) / 2, counts, "step"))
    return [Lines(title=title, x=x, y="number", series=series)]


SECTION = SectionMaker(
    name="stills", title="Stills", order=2.5, make=make, needs=("hits",), kinds=("stills",)
)
