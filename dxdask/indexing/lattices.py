"""Several lattices in one sweep: each is searched among the spots that those before leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import ConvergenceError, DxdaskError, plain
from dxdask.indexing.fit_quality import FEWEST_SPOTS, GOOD_MISFIT, misfit
from dxdask.indexing.macrocycles import Resolution, run_macrocycles
from dxdask.indexing.misorientation import misorientation
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.primitive_cells import primitive_crystals
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.search_lattice import search_lattice
from dxdask.indexing.sweeps import only_members, sweep_indices, to_first_of_sweep, with_lattice
from dxdask.models import Crystal, ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult
from dxdask.tables import Table

CLEAR_MISFIT, WORSE = 0.4, 2.5
"""Misfit of an additional lattice that is accepted, or so many times that of those before."""


def add_lattices(
    result: StepResult,
    resolution: Resolution,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result with more lattices, refined jointly with those before.

    An additional lattice is searched among spots that are not indexed while these are more than the
    fraction `recycle_unindexed_reflections_cutoff` and there are fewer than `max_lattices`. It is
    refused where its misorientation to another one is below `minimum_angular_separation`, and where
    its spots are on it no better than points at random.

    result : of one lattice, or several, a sweep.
    """
    rules = parameters.multiple_lattice_search
    for number in range(2, rules.max_lattices + 1):
        table = result.reflections
        left = ~has_flag(table, Flag.INDEXED)
        fraction = float(left.mean())
        if fraction <= rules.recycle_unindexed_reflections_cutoff:
            break
        note = f"Lattice {number}, searched among {int(left.sum())} spots not indexed"
        for search in _searches(result, parameters):
            try:
                new = _with_one_more(result, left, resolution, search, refinement, note)
                break
            except DxdaskError as error:
                line = f"{note}: none ({plain(error)})"
        else:
            return replace(result, messages=(*result.messages, line))
        result = new
    return result


def _searches(result: StepResult, parameters: IndexParameters) -> list[IndexParameters]:
    """Return the parameters of the searches for a lattice, one after the other until one is found.

    Lattices of a sweep mostly have the cell of the first, which tells them from those of a few
    spots of each; others are searched after it.
    """
    known = parameters.known_symmetry
    if known.unit_cell is not None:
        return [parameters]
    cell = known.model_copy(update={"unit_cell": result.experiments.crystals[0].unit_cell})
    return [parameters.model_copy(update={"known_symmetry": cell}), parameters]


def _with_one_more(
    result: StepResult, left: NDArray[np.bool_], resolution: Resolution,
    parameters: IndexParameters, refinement: RefinementParameters, note: str,
) -> StepResult:  # fmt: skip
    """Return the result with one more lattice.

    Raises
    ------
    DxdaskError
        None is found, it is one of those before, or it fits no better than any other would.
    """
    table, before = result.reflections, result.experiments
    spots = map_centroids(select(table, left), before)
    single, _ = only_members(before, _first_lattices(before))
    spots["experiment"] = to_first_of_sweep(spots["experiment"], before, single)
    found = search_lattice(spots, single, parameters, refinement)
    crystal = found.best.crystal
    _require_new(crystal, before.crystals, parameters)
    after = with_lattice(before, crystal)
    moved = table | {"experiment": to_first_of_sweep(table["experiment"], before, after)}
    new = run_to_primitive(moved, after, resolution, parameters, refinement)
    _require_new(new.experiments.crystals[-1], new.experiments.crystals[:-1], parameters)
    new = _without_empty(new, parameters)
    n = _spots_of(new, len(new.experiments.crystals) - 1)
    lines = (*result.messages, f"{note}: {n} spots", *new.messages)
    return replace(new, messages=lines)


def run_to_primitive(
    spots: Reflections,
    experiments: ExperimentList,
    resolution: Resolution,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result of the macrocycles, run again with smaller cells where there are any."""
    result = run_macrocycles(spots, experiments, resolution, parameters, refinement)
    smaller = primitive_crystals(result.reflections, result.experiments, parameters)
    if smaller is None:
        return result
    start = replace(result.experiments, crystals=smaller)
    again = run_macrocycles(spots, start, resolution, parameters, refinement)
    line = "The cell is a multiple of a smaller one, with which the cycles are run again"
    return replace(again, messages=(*result.messages, line, *again.messages))


def _first_lattices(experiments: ExperimentList) -> NDArray[np.bool_]:
    sweep = sweep_indices(experiments)
    first = np.zeros(len(sweep), dtype=bool)
    first[np.unique(sweep, return_index=True)[1]] = True
    return first


def _require_new(
    crystal: Crystal, others: tuple[Crystal, ...], parameters: IndexParameters
) -> None:
    """Check that a lattice is another one.

    Raises
    ------
    ConvergenceError
        It is one of the others, within `minimum_angular_separation`.
    """
    smallest = parameters.multiple_lattice_search.minimum_angular_separation
    angles = [misorientation(crystal, other) for other in others]
    if min(angles, default=180.0) < smallest:
        raise ConvergenceError(
            f"it is {min(angles):.2f} degrees from lattice {int(np.argmin(angles)) + 1}, less than "
            f"minimum_angular_separation={smallest:g}"
        )


def _without_empty(result: StepResult, parameters: IndexParameters) -> StepResult:
    """Return the result without lattices of sweeps that have hardly any spots there.

    Raises
    ------
    ConvergenceError
        That is so for the last crystal in all sweeps, or its spots are on it no better than points
        at random.
    """
    table, experiments = result.reflections, result.experiments
    indexed = has_flag(table, Flag.INDEXED)
    counts = np.bincount(table["experiment"][indexed], minlength=len(experiments))
    first = _first_lattices(experiments)
    keep = first | (counts >= FEWEST_SPOTS)
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    last = len(experiments.crystals) - 1
    mine = np.array([m.crystal == last for m in experiments.members])
    rows = np.flatnonzero(indexed & (mine & keep)[table["experiment"]])
    off = misfit(table, rows, experiments, tolerance)
    others = np.flatnonzero(indexed & ~mine[table["experiment"]])
    best = misfit(table, others, experiments, tolerance)
    worst = min(GOOD_MISFIT, max(CLEAR_MISFIT, WORSE * best))
    if off > worst:
        raise ConvergenceError(
            f"it has {int(counts[mine].sum())} spots, which are as far from it as "
            f"{100 * off:.0f} % of that of points at random"
        )
    for i in np.flatnonzero(keep & ~first):
        # spots of a sweep that are on a lattice by chance
        own = np.flatnonzero(indexed & (table["experiment"] == i))
        keep[i] = misfit(table, own, experiments, tolerance) <= worst
    if keep.all():
        return result
    left, places = only_members(experiments, keep)
    lost = ~keep[table["experiment"]]
    to_first = to_first_of_sweep(table["experiment"], experiments, left)
    new = np.where(lost, to_first, places[table["experiment"]]).astype(np.int32)
    flags = np.where(lost, table["flags"] & ~np.uint32(Flag.INDEXED), table["flags"])
    hkl = np.where(lost[:, None], 0, table["hkl"]).astype(np.int32)
    rows_now = table | {"experiment": new, "flags": flags.astype(np.uint32), "hkl": hkl}
    tables = tuple(_renumbered(t, places) for t in result.tables)
    return replace(result, experiments=left, reflections=rows_now, tables=tables)


def _renumbered(table: Table, places: NDArray[np.int64]) -> Table:
    """Return the table without the rows of experiments that are left out."""
    rows = [
        {**row, "experiment": int(places[row["experiment"]])} if "experiment" in row else row
        for row in table.rows
        if "experiment" not in row or places[row["experiment"]] >= 0
    ]
    return replace(table, rows=rows)


def _spots_of(result: StepResult, crystal: int) -> int:
    members = np.array([m.crystal == crystal for m in result.experiments.members])
    indexed = has_flag(result.reflections, Flag.INDEXED)
    return int(np.count_nonzero(indexed & members[result.reflections["experiment"]]))


def lattices_table(result: StepResult) -> Table:
    """Return the table of the lattices of each sweep, their spots and their misorientation."""
    experiments, table = result.experiments, result.reflections
    sweep = sweep_indices(experiments)
    indexed = has_flag(table, Flag.INDEXED)
    counts = np.bincount(table["experiment"][indexed], minlength=len(experiments))
    totals = np.bincount(sweep[table["experiment"]], minlength=int(sweep.max()) + 1)
    rows = []
    for i, e in enumerate(experiments):
        others = np.flatnonzero(sweep == sweep[i])
        first = experiments[int(others[0])].crystal
        if e.crystal is None or first is None:
            continue
        rows.append(
            {
                "experiment": i,
                "run": e.run,
                "lattice": int(np.flatnonzero(others == i)[0]) + 1,
                "n_indexed": int(counts[i]),
                "percent": 100.0 * float(counts[i]) / max(int(totals[sweep[i]]), 1),
                "angle_deg": misorientation(first, e.crystal),
            }
        )
    headings = {
        "experiment": ("Exp\nid", ""),
        "run": ("Run", ""),
        "lattice": ("Lattice", ""),
        "n_indexed": ("# indexed", ""),
        "percent": ("% of spots", ".1f"),
        "angle_deg": ("Angle to\nthe first (deg)", ".2f"),
    }
    return Table(name="lattices", title="Lattices", rows=rows, headings=headings)
