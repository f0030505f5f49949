"""Tables of the steps of stills: rates, fates, cells, integrated reflections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.fate import Fate
from dxdask.hits.tables import intervals
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.models import ExperimentList
from dxdask.models.crystal import cell_of
from dxdask.still_columns import Stills
from dxdask.tables import Table


def rates(stills: Stills) -> str:
    """Return the message with the rates of hits and of indexed events."""
    n, hits, indexed = (int(x) for x in (len(stills["hit"]), stills["hit"].sum(),
                                         stills["indexed"].sum()))  # fmt: skip
    return (
        f"{n} events: {hits} hits ({_percent(hits, n):.1f} %), "
        f"{indexed} indexed ({_percent(indexed, hits):.1f} % of the hits)"
    )


def fates_table(stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `fates`: the number of events of each fate in each run."""
    rows = []
    for index, member in enumerate(experiments.members):
        reason = stills["reason"][stills["experiment"] == index]
        for fate in Fate:
            n = int((reason == fate).sum())
            if n:
                rows.append({"run": member.run, "fate": fate.words, "n_events": n,
                             "percent": _percent(n, len(reason))})  # fmt: skip
    headings = {"run": ("run", ""), "fate": ("fate", ""), "n_events": ("events", ""),
                "percent": ("%", ".1f")}  # fmt: skip
    return Table(name="fates", title="Fates of the events", rows=rows, headings=headings)


def index_rate_table(stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `index_rate`: indexed events in up to ten intervals of each run."""
    rows = []
    for columns, part in intervals(stills, experiments):
        hits, indexed = int(stills["hit"][part].sum()), int(stills["indexed"][part].sum())
        percent = _percent(indexed, hits) if hits else None
        rows.append({**columns, "n_hits": hits, "n_indexed": indexed, "percent": percent})
    headings = {
        "run": ("run", ""), "first": ("first", ""), "last": ("last", ""),
        "n_events": ("events", ""), "n_hits": ("hits", ""), "n_indexed": ("indexed", ""),
        "percent": ("% of\nthe hits", ".1f"),
    }  # fmt: skip
    title = "Indexed events, over the run"
    return Table(name="index_rate", title=title, rows=rows, headings=headings)


def summary_table(observations: Reflections, stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `summary`: integrated reflections of each run."""
    good = has_flag(observations, Flag.INTEGRATED_SUM)
    overlapped = has_flag(observations, Flag.OVERLAPPED_FG)
    with np.errstate(invalid="ignore", divide="ignore"):
        over = observations["intensity_sum"] / np.sqrt(observations["intensity_sum_variance"])
    rows = []
    for index, member in enumerate(experiments.members):
        mine = observations["experiment"] == index
        of_run = (stills["experiment"] == index) & (stills["reason"] == Fate.INTEGRATED)
        some = bool((mine & good).any())
        rows.append({
            "run": member.run, "n_stills": int(of_run.sum()), "n_predicted": int(mine.sum()),
            "n_integrated": int((mine & good & ~overlapped).sum()),
            "n_overlapped": int((mine & overlapped).sum()),
            "d_min": float(observations["d"][mine].min()) if mine.any() else None,
            "i_over_sigma": float(np.nanmean(over[mine & good])) if some else None,
            "domain_size": _median(stills["domain_size"][of_run]),
            "half_mosaicity": _median(stills["half_mosaicity"][of_run]),
        })  # fmt: skip
    headings = {
        "run": ("run", ""), "n_stills": ("stills", ""), "n_predicted": ("predicted", ""),
        "n_integrated": ("integrated", ""), "n_overlapped": ("overlapped", ""),
        "d_min": ("d min\nA", ".2f"), "i_over_sigma": ("mean\nI/sigma", ".1f"),
        "domain_size": ("domain size\nA", ".0f"), "half_mosaicity": ("half\nmosaicity", ".4f"),
    }  # fmt: skip
    return Table(name="summary", title="Integrated stills", rows=rows, headings=headings)


def cell_table(stills: Stills, known: KnownCell) -> Table:
    """Return the table `cell`: median and spread of the cells of the crystals, one row."""
    cells = np.array([cell_of(a) for a in stills["a_matrix"][stills["indexed"]]]).reshape(-1, 6)
    row: dict[str, object] = {"space_group": known.group.xhm(), "n_crystals": len(cells)}
    for i, name in enumerate(("a", "b", "c", "alpha", "beta", "gamma")):
        row[name] = float(np.median(cells[:, i])) if len(cells) else None
        row[f"{name}_spread"] = float(cells[:, i].std()) if len(cells) else None
    headings = {"space_group": ("group", ""), "n_crystals": ("crystals", "")}
    formats = {name: (name.replace("_", "\n"), ".3f") for name in row if name not in headings}
    title = "Cells of the crystals: median and standard deviation"
    return Table(name="cell", title=title, rows=[row], headings={**headings, **formats})


def stills_table(stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `stills`: one row an event; not printed."""
    runs = [m.run for m in experiments.members]
    event = stills.get("event_id", np.full(len(stills["hit"]), -1))
    n_spots = stills.get("n_spots", np.zeros(len(stills["hit"]), np.int32))
    rows = []
    for i in range(len(stills["hit"])):
        indexed = bool(stills["indexed"][i])
        rows.append({
            "run": runs[stills["experiment"][i]], "image": int(stills["image"][i]) + 1,
            "event_id": int(event[i]), "hit": bool(stills["hit"][i]), "indexed": indexed,
            "n_spots": int(n_spots[i]), "n_indexed": int(stills["n_indexed"][i]),
            "cell": [round(x, 4) for x in cell_of(stills["a_matrix"][i])] if indexed else None,
            "rmsd_x_px": _known(stills["rmsd_x_px"][i]),
            "rmsd_y_px": _known(stills["rmsd_y_px"][i]),
            "reason": Fate(int(stills["reason"][i])).words,
        })  # fmt: skip
    return Table(name="stills", title="Stills", rows=rows, printed=False)


def _percent(n: int, of: int) -> float:
    return 100.0 * n / of if of else 0.0


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
