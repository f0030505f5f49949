"""Merging as a graph: the sums of each run are made apart, brought together by trees, in two
passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from dask.delayed import Delayed, delayed

from dxdask.columns import Reflections
from dxdask.graphs.fold import tree_fold
from dxdask.merging.equivalents import combine_equivalents
from dxdask.merging.merge import finish, first_sums, second_sums
from dxdask.merging.parameters import MergingParameters
from dxdask.models import ExperimentList


def merge(
    runs: Sequence[Delayed | Reflections],
    experiments: ExperimentList,
    parameters: MergingParameters | None = None,
    *,
    fan_in: int = 8,
) -> Delayed:
    """Return the `StepResult` of merging scaled reflections that are given in parts, one a run or
    so.

    An experiment must be whole in one part. Up to `fan_in` experiments the result is that of
    `dxdask.merging.merge` bit for bit; beyond, sums differ from it by rounding, but depend on the
    parts and `fan_in` only. Memory of a task: its part, or the unique reflections of `fan_in`
    parts.

    Parameters
    ----------
    runs : tables of scaled reflections, or Delayed that give them.
    experiments : all of them; the column `experiment` counts these in every part.
    parameters : of the step `merge`.
    fan_in : how many partial sums one task adds.

    Returns
    -------
    Delayed
        2 x parts + 2 x folds + 1 tasks besides those of the parts (and one each for the experiments
        and for tables that are not Delayed).
    """
    parameters = parameters or MergingParameters()
    models = delayed(experiments, pure=True, traverse=False)
    parts = [r if isinstance(r, Delayed) else delayed(r, pure=True, traverse=False) for r in runs]
    once, twice = delayed(first_sums, pure=True), delayed(second_sums, pure=True)
    first = tree_fold(
        [once(p, models, parameters) for p in parts],
        combine_equivalents,
        fan_in=fan_in,
        label="merge-first",
    )
    second = tree_fold(
        [twice(p, models, parameters, first) for p in parts],
        combine_equivalents,
        fan_in=fan_in,
        label="merge-second",
    )
    merged: Delayed = delayed(finish, pure=True)(first, second, models, parameters)
    return merged
