"""Cells of many crystals: clusters of similar ones, the cell of the largest, a common setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, has_flag
from dxdask.indexing.misorientation import primitive_a
from dxdask.indexing.parameters import CellConsensus
from dxdask.indexing.reduction import changed
from dxdask.indexing.stills.lattice_signature import (
    UNIMODULAR,
    mean_cell,
    multiple_of,
    signatures,
)
from dxdask.models import Crystal, ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.models.vectors import matrix
from dxdask.results import StepResult
from dxdask.tables import Table, shortened

CELL = ("a", "b", "c", "alpha", "beta", "gamma")


class Cluster(NamedTuple):
    """Crystals (indices) of similar lattices, and the mean of their reduced cells, A and degree."""

    members: NDArray[np.int64]
    cell: tuple[float, ...]


def cell_clusters(crystals: Sequence[Crystal], parameters: CellConsensus) -> list[Cluster]:
    """Return the clusters of crystals with similar reduced cells, the largest first.

    Two lattices are similar where lengths of their shortest vectors (`signatures`, which do not
    jump as axes of reduced cells do) differ by at most `relative_length_tolerance`; clusters are
    joined by single linkage.
    """
    if not crystals:
        return []
    lattices = np.array([primitive_a(c) for c in crystals])
    labels = np.ones(len(crystals), dtype=np.int64)
    if len(crystals) > 1:
        logs = np.log(signatures(lattices))
        links = scipy.cluster.hierarchy.linkage(logs, "single", metric="chebyshev")
        found = scipy.cluster.hierarchy.fcluster(
            links, parameters.relative_length_tolerance, "distance"
        )
        labels = found.astype(np.int64)
    groups = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    groups.sort(key=lambda rows: (-len(rows), int(rows[0])))
    return [Cluster(members=rows, cell=mean_cell(lattices[rows])) for rows in groups]


def clusters_table(experiments: ExperimentList, parameters: CellConsensus | None = None) -> Table:
    """Return the table of the clusters of cells, with the runs of each."""
    parameters = parameters or CellConsensus()
    found = cell_clusters(experiments.crystals, parameters)
    rows: list[dict[str, Any]] = []
    for number, cluster in enumerate(found, start=1):
        of_it = set(cluster.members.tolist())
        runs = list(dict.fromkeys(m.run for m in experiments.members if m.crystal in of_it))
        times = multiple_of(cluster.cell, found[0].cell, parameters.relative_length_tolerance)
        row: dict[str, Any] = {"cluster": number, "n_crystals": len(of_it), "n_runs": len(runs)}
        row |= {k: float(v) for k, v in zip(CELL, cluster.cell, strict=True)}
        relation = f"{times} x cluster 1" if number > 1 and times is not None else ""
        rows.append({**row, "relation": relation, "runs": shortened(runs)})
    headings = {
        "cluster": ("Cluster", ""),
        "n_crystals": ("Crystals", ""),
        "n_runs": ("Runs", ""),
    }
    headings |= {k: (k, ".2f") for k in CELL}
    return Table(name="clusters", title="Clusters of reduced cells", rows=rows, headings=headings)


def in_common_setting(result: StepResult, cell: tuple[float, ...]) -> StepResult:
    """Return crystals and indices in the axes nearest to a reduced cell, of crystals in P 1.

    Every change of axes with elements -1, 0 and 1 is tried; crystals of other space groups are in
    a setting of that, and stay. Uncertainties of cells are left out of those changed.
    """
    basis = np.linalg.inv(b_matrix(cell)).astype(np.float64)
    metric: Floats = basis @ basis.T
    crystals, hkl = list(result.experiments.crystals), result.reflections["hkl"].copy()
    indexed = has_flag(result.reflections, Flag.INDEXED)
    for number, crystal in enumerate(crystals):
        change = nearest_setting(crystal.a, metric)
        if crystal.space_group != "P 1" or np.array_equal(change, np.eye(3)):
            continue
        new = matrix(changed(crystal.a, change.T))
        crystals[number] = Crystal(a_matrix=new, space_group=crystal.space_group)
        mine = np.array([m.crystal == number for m in result.experiments.members])
        rows = np.flatnonzero(indexed & mine[result.reflections["experiment"]])
        hkl[rows] = hkl[rows] @ change.astype(np.int32).T
    experiments = replace(result.experiments, crystals=tuple(crystals))
    return replace(result, experiments=experiments, reflections=result.reflections | {"hkl": hkl})


def nearest_setting(a_matrix: Floats, metric: Floats) -> Floats:
    """Return the matrix (3, 3), rows new axes, whose metric tensor is the nearest; unity first."""
    bases = UNIMODULAR @ np.linalg.inv(a_matrix)
    tensors = bases @ bases.transpose(0, 2, 1)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    off = (((tensors - metric) / scale) ** 2).sum(axis=(1, 2))
    same = np.flatnonzero((np.eye(3) == UNIMODULAR).all(axis=(1, 2)))[0]
    # of settings as near by symmetry, that of the crystal stays
    return np.eye(3) if off[same] <= 1.01 * off.min() + 1e-9 else UNIMODULAR[np.argmin(off)]
