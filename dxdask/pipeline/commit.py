"""Tasks that write the rows of runs, and commit a step.

Where rows are made they are written; between tasks go counts, tables and models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import select
from dxdask.models import ExperimentList
from dxdask.pipeline.declaration import CombineInputs, NotDone, Step, Values
from dxdask.pipeline.kinds import Kind
from dxdask.pipeline.steps import step_of
from dxdask.pipeline.stored_result import StoredResult
from dxdask.pipeline.usage import Usage, seconds_between, usage
from dxdask.results import StepResult, joined
from dxdask.storage.store import layout, read
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import Partition, summary_of, write_partition
from dxdask.storage.store.results import arrays_in
from dxdask.storage.store.runs import complete_runs


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A step's place in a store, and the records of its runs.

    Attributes
    ----------
    fingerprint : of the step. prints, given : fingerprint and parameters of each run.
    """

    path: str
    branch: str
    step: str
    kind: Kind
    fingerprint: str
    prints: Mapping[str, str]
    given: Mapping[str, Mapping[str, Any]]

    @property
    def declaration(self) -> Step:
        """The step."""
        return step_of(self.step, self.kind)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters of the first run; those of others may differ in what files contained."""
        return next(iter(self.given.values()))


@dataclass(frozen=True, kw_only=True)
class Committed(StoredResult):
    """A result that was committed, and what its process had used by then."""

    usage: Usage


def write_run(
    to: Destination, run: str, result: StepResult, carried: StoredResult | None
) -> Partition:
    """Write the rows of one run aside; return their entry in the manifest."""
    if carried is not None:
        from dxdask.pipeline.recut import rows_on

        before = carried.columns(run=run)
        if len(carried.experiments(run=run)) and len(result.experiments):
            # what the result lacks is on the panels that it has
            old = carried.experiments(run=run)[0].detector
            before = rows_on(before, old, result.experiments[0].detector)
        result = replace(result, reflections={**before, **result.reflections})
    return write_partition(
        Path(to.path),
        to.branch,
        to.step,
        result,
        run=run,
        fingerprint=to.prints[run],
        parameters=to.given[run],
    )


def commit_runs(
    to: Destination,
    written: Sequence[Partition],
    kept: Sequence[str],
    needs: Mapping[str, StoredResult],
    parameters: Values,
    _finished: Sequence[str],
    begun: Sequence[Usage | Committed],
) -> Committed:
    """Commit the runs written now and those that are kept; return the result in the store.

    begun : the start of the command, and the steps this one waited for.
    """
    combine = to.declaration.combine
    result = None
    if combine is not None:
        result = combine(_combine_inputs(to, written, kept, needs, parameters))
    elif len(written) + len(kept) > 1:
        result = joined(_results(to, written, kept))
    return _commit(to, written, kept, result, begun)


def _combine_inputs(
    to: Destination,
    written: Sequence[Partition],
    kept: Sequence[str],
    needs: Mapping[str, StoredResult],
    parameters: Values,
) -> CombineInputs:
    folders = _folders(to, written, kept)

    def read_arrays(run: str, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        return arrays_in(folders[run], names)

    return CombineInputs(
        results=_results(to, written, kept),
        needs=needs,
        parameters=parameters,
        read_arrays=read_arrays,
    )


def _folders(to: Destination, written: Sequence[Partition], kept: Sequence[str]) -> dict[str, Path]:
    """Return the folder of the partition of each run, in the order of import."""
    root = Path(to.path)
    found = {
        p.run: layout.partition_path(root, to.branch, to.step, p.run, p.fingerprint)
        for p in written
    }
    if kept:
        present = read.require_step(root, to.step, to.branch)
        found |= {run: present / layout.RUNS / run for run in kept}
    order = [run for run in complete_runs(root) if run in found]
    return {run: found[run] for run in order}


def _results(
    to: Destination, written: Sequence[Partition], kept: Sequence[str]
) -> list[StepResult]:
    """Return the summary of each run, in the order of import."""
    made = {p.run: p for p in written}
    summaries = [
        made.get(run) or summary_of(folder) for run, folder in _folders(to, written, kept).items()
    ]
    return [
        StepResult(
            experiments=p.experiments,
            reflections={},
            tables=p.tables,
            messages=p.messages,
            problems=p.problems,
        )
        for p in summaries
    ]


def write_ensemble(
    to: Destination,
    result: StepResult | NotDone,
    carried: StoredResult | None,
    _finished: Sequence[str],
    begun: Sequence[Usage | Committed],
) -> Committed | NotDone:
    """Write a result of all runs, run by run, and commit it; return the result in the store.

    Rows without a column `experiment` (merged reflections) belong to no run.
    """
    if isinstance(result, NotDone):
        return replace(result, step=to.step)
    written: list[Partition] = []
    if "experiment" in result.reflections:
        written = [
            write_run(to, run, _of_run(result, run), carried) for run in result.experiments.runs
        ]
        result = replace(result, reflections={})
    return _commit(to, written, (), result, begun, made_from=to.prints)


def _of_run(result: StepResult, run: str) -> StepResult:
    """Return the rows and models of one run; the experiments of its rows are counted from 0."""
    members = [i for i, m in enumerate(result.experiments.members) if m.run == run]
    rows = np.flatnonzero(np.isin(result.reflections["experiment"], members))
    table = select(result.reflections, rows)
    table["experiment"] = np.searchsorted(members, table["experiment"]).astype(np.int32)
    models = ExperimentList.of([result.experiments[i] for i in members])
    return StepResult(experiments=models, reflections=table)


def _commit(
    to: Destination,
    written: Sequence[Partition],
    kept: Sequence[str],
    result: StepResult | None,
    begun: Sequence[Usage | Committed],
    made_from: Mapping[str, str] | None = None,
) -> Committed:
    marks = [b.usage if isinstance(b, Committed) else b for b in begun]
    start, end = max(marks, key=lambda mark: mark.at), usage()
    identifier = commit_step(
        Path(to.path),
        to.branch,
        to.step,
        written,
        kept=kept,
        result=result,
        fingerprint=to.fingerprint,
        parameters=to.parameters,
        made_from=made_from,
        seconds=seconds_between(start, end, command=marks[0]),
        peak_memory=end.peak_memory if end.process == marks[0].process else None,
    )
    return Committed(
        path=to.path, branch=to.branch, step=to.step, identifier=identifier, usage=usage()
    )
