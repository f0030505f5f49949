"""Tree reductions of Delayed parts with a bounded fan-in and a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from dxdask.errors import InputError


def tree_fold(
    parts: Sequence[Delayed],
    combine: Callable[[list[Any]], Any],
    *,
    fan_in: int = 8,
    label: str = "fold",
) -> Delayed:
    """Return the parts folded into one, `fan_in` neighbours at a time, level by level.

    Parameters
    ----------
    parts : what is to be brought together, in order.
    combine : takes a list of up to `fan_in` neighbouring parts, in order, and returns another:
        a module-level, associative function. A single part is returned as it is.
    fan_in : how many parts one task may hold at a time, at least 2.
    label : how the tasks are named on a dashboard.

    Returns
    -------
    Delayed
        Adds `n_folds(len(parts), fan_in)` tasks. Order and grouping depend on the number of parts
        and on `fan_in` only, never on which part arrives first.

    Raises
    ------
    InputError
        No parts, or a fan-in below 2.
    """
    if not parts:
        raise InputError(f"{label}: nothing to fold; give at least one part (is the run empty?)")
    if fan_in < 2:
        raise InputError(f"{label}: fan_in is {fan_in}, must be 2 or more")
    level = [p.key for p in parts]
    if len(level) == 1:
        return parts[0]
    name = f"{label}-{tokenize(combine, fan_in, level)}"
    tasks: dict[Any, Any] = {}
    depth = 0
    while len(level) > 1:
        groups = [level[i : i + fan_in] for i in range(0, len(level), fan_in)]
        # a part that has no neighbour left is carried up as it is
        keys = [g[0] if len(g) == 1 else (name, depth, i) for i, g in enumerate(groups)]
        tasks |= {k: (combine, g) for k, g in zip(keys, groups, strict=True) if len(g) > 1}
        level, depth = keys, depth + 1
    # one layer for the whole tree: a Delayed a fold would cost a merge of graphs each
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=list(parts))  # type: ignore[arg-type]
    return Delayed(level[0], graph, layer=name)  # type: ignore[no-untyped-call]


def n_folds(n_parts: int, fan_in: int = 8) -> int:
    """Return how many tasks `tree_fold` adds to `n_parts` parts."""
    total = 0
    while n_parts > 1:
        full, rest = divmod(n_parts, fan_in)
        total += full + (rest > 1)
        n_parts = full + (rest > 0)
    return total
