"""Tables and messages of stills of all runs, from those of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from dxdask.graphs.stills.results import require_crystals
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.index_stills import lines_of, require_hits
from dxdask.indexing.stills.tables import cell_table
from dxdask.results import StepResult, joined

Arrays = Mapping[str, NDArray[Any]]


def combine_hits(results: Sequence[StepResult]) -> StepResult:
    """Return tables of all runs, and the rate of hits over all."""
    whole = joined(results)
    rows = whole.table("hit_rate").rows
    n, total = (sum(row[name] for row in rows) for name in ("n_hits", "n_events"))
    percent = 100.0 * n / total if total else 0.0
    return replace(whole, messages=(f"{n} of {total} events are hits ({percent:.1f} %)",))


def combine_indexed(results: Sequence[StepResult], stills: Arrays, n_additional: int) -> StepResult:
    """Return tables of all runs; the table `cell` is of all crystals.

    stills : rows of all runs: hit, indexed, a_matrix, reason, rmsd_x_px, rmsd_y_px.
    n_additional : additional lattices found.

    Raises
    ------
    InputError
        There are no hits.
    """
    require_hits(int(stills["hit"].sum()), len(stills["hit"]), stills["reason"])
    whole = joined(results)
    crystal = whole.experiments.crystals[0]
    known = KnownCell.of(crystal.unit_cell, crystal.space_group)
    tables = [t for t in whole.tables if t.name != "cell"]
    consensus = [t for t in results[0].tables if t.name == "consensus"]  # the same in all runs
    others = [t for t in tables if t.name != "consensus"]
    return replace(
        whole,
        experiments=whole.experiments.with_crystal(crystal),
        tables=(*consensus, cell_table(dict(stills), known), *others),
        messages=lines_of(dict(stills), known, n_additional),
    )


def combine_integrated(results: Sequence[StepResult], stills: Arrays) -> StepResult:
    """Return tables of all runs, and the number of reflections of all.

    Raises
    ------
    InputError
        No still is indexed.
    """
    whole = joined(results)
    crystal = whole.experiments.crystals[0]
    require_crystals(stills, crystal)
    rows = whole.table("summary").rows
    n, stills_used = (sum(row[name] for row in rows) for name in ("n_predicted", "n_stills"))
    return replace(
        whole,
        experiments=whole.experiments.with_crystal(crystal),
        messages=(f"Integrated {n} reflections of {stills_used} stills",),
    )
