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
    records: bool = False,
) -> Delayed:
    """Return the parts folded into one, `fan_in` neighbours at a time, level by level.

    Parameters
    ----------
    parts : those to combine, in order.
    combine : takes a list of up to `fan_in` neighbouring parts, in order, and returns another:
        a module-level, associative function. A single part is returned as it is.
    fan_in : how many parts one task may hold at a time, at least 2.
    label : how the tasks are named on a dashboard.
    records : whether each part is an array of one record, from `map_frames`, that `combine` takes
        and that is returned; a single one is taken out of its array by a task of its own.

    Returns
    -------
    Delayed
        Adds `n_folds(len(parts), fan_in, records=records)` tasks. Order and grouping depend on the
        number of parts and on `fan_in` only, never on which part arrives first.

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
    if len(level) == 1 and not records:
        return parts[0]
    name = f"{label}-{tokenize(combine, fan_in, level, records)}"
    tasks: dict[Any, Any] = {}
    depth = 0
    while len(level) > 1 or (records and depth == 0):
        groups = [level[i : i + fan_in] for i in range(0, len(level), fan_in)]
        first = records and depth == 0
        # a part that has no neighbour left is carried up as it is
        keys = [
            g[0] if len(g) == 1 and not first else (name, depth, i) for i, g in enumerate(groups)
        ]
        tasks |= {
            k: (_combine_records, combine, g) if first else (combine, g)
            for k, g in zip(keys, groups, strict=True)
            if k != g[0]
        }
        level, depth = keys, depth + 1
    # one layer for the whole tree: a Delayed a fold would cost a merge of graphs each
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=list(parts))  # type: ignore[arg-type]
    return Delayed(level[0], graph, layer=name)  # type: ignore[no-untyped-call]


def _combine_records(combine: Callable[[list[Any]], Any], records: list[Any]) -> Any:
    values = [record.item() for record in records]
    return values[0] if len(values) == 1 else combine(values)


def n_folds(n_parts: int, fan_in: int = 8, *, records: bool = False) -> int:
    """Return the number of tasks that `tree_fold` adds to `n_parts` parts."""
    total = int(records and n_parts > 0 and n_parts % fan_in == 1)
    while n_parts > 1:
        full, rest = divmod(n_parts, fan_in)
        total += full + (rest > 1)
        n_parts = full + (rest > 0)
    return total
