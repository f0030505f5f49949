"""Joint indexing where the runs are of one crystal, else separate, with the cell they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections, n_rows
from dxdask.errors import ConvergenceError
from dxdask.indexing.consensus import Cluster, cell_clusters, clusters_table, in_common_setting
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.separate import index_run, join_runs, rows_of_run
from dxdask.indexing.together import index_together
from dxdask.indexing.trial_fit import above_chance, evenly, trial_fit
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.refinement.summary import crystals_table
from dxdask.results import StepResult

MOST_SPOTS = 3000
SHARED = 0.5
"""Fraction of the spots of a run on the lattice of another, over those of that, of one crystal."""


def index_automatically(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result of joint indexing if the runs share a lattice, else of separate indexing.

    Of separate runs the cells are clustered. Runs that failed are indexed again with the cell of
    the largest cluster as the known one, and crystals of that cluster are put in one setting.

    Raises
    ------
    ConvergenceError
        No run can be indexed.
    """
    reason = "the runs have no lattice in common"
    if share_a_lattice(reflections, experiments, parameters):
        try:
            return index_together(reflections, experiments, parameters, refinement)
        except ConvergenceError as error:
            reason = str(error)
    results = {
        run: index_run(reflections, experiments, run, parameters, refinement)
        for run in experiments.runs
    }
    lines = [f"Runs are indexed separately: {reason}"]
    clusters = _clusters(results, parameters)
    if clusters and len(clusters[0].members) >= parameters.consensus.min_crystals:
        lines += _again(reflections, experiments, results, clusters[0], parameters, refinement)
    whole = join_runs(reflections, experiments, list(results.values()))
    clusters = cell_clusters(whole.experiments.crystals, parameters.consensus)
    if clusters and len(clusters[0].members) >= parameters.consensus.min_crystals:
        whole = in_common_setting(whole, clusters[0].cell)
    tables = [t for t in whole.tables if t.name not in ("clusters", "crystals")]
    tables += [crystals_table(whole.experiments)]
    tables += [clusters_table(whole.experiments, parameters.consensus)]
    lines += _of_other_cells(whole, clusters)
    return replace(whole, tables=tuple(tables), messages=(*lines, *whole.messages))


def share_a_lattice(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> bool:
    """Return true if the lattice of the run with the most spots fits those of each other one."""
    parts = [rows_of_run(reflections, experiments, run)[1:] for run in experiments.runs]
    parts = [(evenly(spots, MOST_SPOTS), alone) for spots, alone in parts if n_rows(spots)]
    if len(parts) < 2:
        return True
    parts.sort(key=lambda part: -n_rows(part[0]))
    first = trial_fit(*parts[0], parameters)
    if first.a_matrix is None:
        return False
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    return all(
        above_chance(first.a_matrix, map_centroids(spots, alone)["rlp"], tolerance)
        >= SHARED * first.fraction
        for spots, alone in parts[1:]
    )


def _clusters(results: dict[str, StepResult], parameters: IndexParameters) -> list[Cluster]:
    crystals = [c for r in results.values() for c in r.experiments.crystals]
    return cell_clusters(crystals, parameters.consensus)


def _again(
    reflections: Reflections, experiments: ExperimentList, results: dict[str, StepResult],
    largest: Cluster, parameters: IndexParameters, refinement: RefinementParameters,
) -> list[str]:  # fmt: skip
    """Index failed runs again with the cell of the largest cluster; return lines on them."""
    known = parameters.known_symmetry
    if known.unit_cell is not None:
        return []
    cell = largest.cell
    if known.space_group is not None:
        crystals = [c for r in results.values() for c in r.experiments.crystals]
        cells = [crystals[i].unit_cell for i in largest.members.tolist()]
        cell = tuple(np.median(cells, axis=0).tolist())
    known = known.model_copy(update={"unit_cell": cell})
    with_cell = parameters.model_copy(update={"known_symmetry": known})
    text = " ".join(f"{x:.2f}" for x in cell)
    lines = [f"Cell of {len(largest.members)} crystals: {text}"]
    for run in [run for run, r in results.items() if not r.experiments.crystals]:
        new = index_run(reflections, experiments, run, with_cell, refinement)
        if new.experiments.crystals:
            results[run] = new
            lines.append(f"{run} is indexed with the cell of the others")
    return lines


def _of_other_cells(result: StepResult, clusters: list[Cluster]) -> list[str]:
    """Return warnings on runs whose cell is not that of the largest cluster."""
    lines = []
    for cluster in clusters[1:]:
        of_it = set(cluster.members.tolist())
        members = result.experiments.members
        runs = dict.fromkeys(m.run for m in members if m.crystal in of_it)
        cell = " ".join(f"{x:.2f}" for x in cluster.cell)
        lines.append(f"Warning: {', '.join(runs)}: the cell {cell} is not that of the most runs")
    return lines
