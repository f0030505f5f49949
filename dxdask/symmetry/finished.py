"""Rows and models in the axes found, with what is reported."""

from __future__ import annotations

from dataclasses import dataclass, field

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.models import ExperimentList
from dxdask.reindex.transform import Change, transform
from dxdask.results import StepResult
from dxdask.symmetry.intensities import crystal_of_experiment
from dxdask.symmetry.tables import reindexed_table
from dxdask.tables import Table


@dataclass(kw_only=True)
class Report:
    """Tables and messages, in order."""

    tables: list[Table] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def runs_of(experiments: ExperimentList) -> list[str]:
    """Return the names of the runs of each crystal."""
    return [
        ", ".join(dict.fromkeys(m.run for m in experiments.members if m.crystal == i))
        for i in range(len(experiments.crystals))
    ]


def finished(
    reflections: Reflections,
    experiments: ExperimentList,
    changes: list[Change],
    kept: NDArray[np.bool_],
    report: Report,
) -> StepResult:
    """Return rows and models in the new axes, with the report.

    kept : (n,) of each crystal; reflections of the others, and those that centring makes absent,
    are no longer indexed, nor integrated.
    """
    table, new, lost = transform(reflections, experiments, changes)
    if lost:
        report.messages.append(
            f"{lost} reflections have no integer indices in the new axes: not indexed"
        )
    shifts = np.array(changes[0].group.operations().cen_ops, dtype=np.int64)
    absent = np.any(table["hkl"] @ shifts.T % gemmi.Op.DEN != 0, axis=1)
    table["hkl"][absent] = 0
    table["flags"][absent] &= ~np.uint32(Flag.INDEXED | Flag.INTEGRATED)
    if not kept.all():
        crystal = crystal_of_experiment(experiments)[table["experiment"]]
        out = (crystal >= 0) & ~kept[crystal]
        table["hkl"][out] = 0
        table["flags"][out] &= ~np.uint32(Flag.INDEXED | Flag.INTEGRATED)
    runs, cells = runs_of(experiments), [c.unit_cell for c in new.crystals]
    report.tables.append(
        reindexed_table(runs, [c.basis for c in changes], cells, changes[0].group.xhm())
    )
    return StepResult(
        experiments=new,
        reflections=table,
        tables=tuple(report.tables),
        messages=tuple(report.messages),
    )
