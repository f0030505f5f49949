"""The result of an ensemble from the partitions of its runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store.partitions import Partition
from dxdask.storage.store.runs import complete_runs
from dxdask.tables import Table

PIXEL_MAPS = ("mask", "hot_mask", "bad_pixel_mask")


def combined(partitions: Sequence[Partition]) -> StepResult:
    """Return models, tables, messages and problems of partitions together, without rows.

    Tables of one name are joined; a line that several runs have stands once.
    """
    tables: dict[str, list[Table]] = {}
    for partition in partitions:
        for table in partition.tables:
            tables.setdefault(table.name, []).append(table)
    return StepResult(
        experiments=ExperimentList.of([e for p in partitions for e in p.experiments]),
        reflections={},
        tables=tuple(Table.joined(of_name) for of_name in tables.values()),
        messages=tuple(dict.fromkeys(line for p in partitions for line in p.messages)),
        problems=tuple(problem for p in partitions for problem in p.problems),
    )


def runs_in_order(root: Path, runs: Collection[str], result: StepResult | None) -> list[str]:
    """Return runs in the order of the experiments of a result, without one in that of import.

    Raises
    ------
    SchemaError
        The experiments of the result are not by run, or of other runs.
    """
    if result is None:
        known = [run for run in complete_runs(root) if run in runs]
        return [*known, *(run for run in runs if run not in known)]
    order = result.experiments.runs
    if runs and (set(order) != set(runs) or np.any(np.diff(result.experiments.run_indices) < 0)):
        raise SchemaError(
            f"the experiments are of runs {', '.join(order) or 'none'} and the partitions of "
            f"{', '.join(runs)}; give the experiments of each run, one run after the other"
        )
    return list(order) if runs else []


def joined_arrays(
    name: str, parts: dict[str, NDArray[np.generic]]
) -> Iterable[tuple[str, NDArray[np.generic]]]:
    """Yield the array of an ensemble from those of its runs, by name.

    Offsets (``*offsets``) count on from run to run. Maps of pixels (`PIXEL_MAPS`) become one
    (run, slow, fast), or NAME_RUN each where frames differ in size. An array that has the name of
    its run keeps it. Others are concatenated along their first axis, or NAME_RUN where they cannot.
    """
    if name in parts:
        yield name, parts.pop(name)
    if not parts:
        return
    if name.endswith("offsets"):
        counts = np.concatenate([np.diff(values) for values in parts.values()])
        yield name, np.concatenate([[0], np.cumsum(counts)]).astype(_first(parts).dtype)
        return
    if name in PIXEL_MAPS:
        parts = {run: values.reshape(values.shape[-2:]) for run, values in parts.items()}
        if len({values.shape for values in parts.values()}) == 1:
            yield name, np.stack(list(parts.values()))
            return
    elif _first(parts).ndim and len({values.shape[1:] for values in parts.values()}) == 1:
        whole = list(parts.values())
        yield name, whole[0] if len(whole) == 1 else np.concatenate(whole)
        return
    yield from ((f"{name}_{run}", values) for run, values in parts.items())


def _first(parts: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    return next(iter(parts.values()))
