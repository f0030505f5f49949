"""Results of runs, each found alone, as a store gives them back together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.spotfinding.result import combine_reports
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import write_partition
from dxdask.storage.store.store import Store


def committed(folder: Path, results: Sequence[StepResult]) -> StepResult:
    """Return find_spots of an ensemble, from the results of its runs, called a, b, c ..."""
    store = Store.create(folder / "committed.zarr", overwrite=True)
    runs = [_named(result, "abcdefgh"[i]) for i, result in enumerate(results)]
    with store.writing():
        parts = [
            write_partition(
                store.path, "main", "find_spots", result,
                run=result.experiments.runs[0], fingerprint=f"{i:064x}", parameters={},
            )
            for i, result in enumerate(runs)
        ]  # fmt: skip
        commit_step(
            store.path, "main", "find_spots", parts, result=combine_reports(runs),
            fingerprint="", parameters={}, seconds={},
        )  # fmt: skip
    return store.read_step("find_spots")


def _named(result: StepResult, run: str) -> StepResult:
    table = dict(result.reflections)
    table["experiment"] = table["experiment"] * 0
    members = [replace(e, run=run, identifier=run) for e in result.experiments]
    return replace(result, reflections=table, experiments=ExperimentList.of(members))
