"""Results of other programs, committed as those of the steps that they stand for.

Their parameters in the store have one key, `import`, with the files' fingerprint and the steps that
were imported with them; fingerprint and staleness follow from these, as for computed results.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dxdask.errors import InputError, ParameterError
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import write_partition
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.store import Store
from dxdask.tables import Table

# What reads raw files is not needed by steps on a store.
if TYPE_CHECKING:
    from dxdask.pipeline.import_parameters import ImportStepParameters
    from dxdask.storage.formats import ImportedResult, RunSource

log = logging.getLogger("dxdask")

IMPORTED = "import"
"""Key, among the parameters of a step in a store, of what its imported result was made from."""
VERSION = "1"


def imported_needs(parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the steps that an imported result follows, None for one that was computed."""
    given = parameters.get(IMPORTED)
    return None if given is None else tuple(given["needs"])


def imported_fingerprint(step: str, parameters: Mapping[str, Any], inputs: Sequence[str]) -> str:
    """Return the fingerprint of an imported result; inputs : those of the steps it follows."""
    return fingerprint(step, parameters, list(inputs), f"import {VERSION}")


def require_results_fit(sources: Sequence[RunSource], parameters: ImportStepParameters) -> None:
    """Check that parameters do not contradict results that are imported.

    Raises
    ------
    ParameterError
        The geometry of processed data is to be changed.
    """
    processed = [s.name for s in sources if any(r.step != "find_spots" for r in s.results)]
    changed = parameters.geometry != type(parameters.geometry)()
    reference = parameters.input.reference_geometry is not None
    if processed and (changed or reference or parameters.convert_stills):
        raise ParameterError(
            f"{', '.join(processed[:3])}: the geometry of indexed or integrated reflections cannot "
            "be changed; leave geometry and reference_geometry out, or import spots or images"
        )


def require_no_results(sources: Sequence[RunSource]) -> None:
    """Check that runs come without results.

    Raises
    ------
    InputError
        One has them.
    """
    found = next((s for s in sources if s.results), None)
    if found is not None:
        step = found.results[-1].step
        raise InputError(
            f"run {found.name} comes with results of {step}, and process begins with frames: "
            "import them, then run the steps that follow, or give the image files alone"
        )
    absent = next((s for s in sources if not s.has_frames), None)
    if absent is not None:
        raise InputError(
            f"the image files of run {absent.name} are not there, and process begins with them: "
            "put them where the .expt file says, or give them alone"
        )


def commit_results(store: Store, sources: Sequence[RunSource], prints: Mapping[str, str]) -> None:
    """Commit what runs come with, step by step; what is there already is left as it is.

    prints : fingerprint of the import of each run.
    """
    order = dict.fromkeys(r.step for s in sources for r in s.results)
    done: dict[str, str] = {}
    for step in order:
        runs = [(s, r) for s in sources for r in s.results if r.step == step]
        parameters = {
            IMPORTED: {
                "files": sorted({prints[s.name] for s, _ in runs}),
                "needs": list(done),
            }
        }
        value = imported_fingerprint(step, parameters, list(done.values()))
        done[step] = value
        if store.has_step(step):
            if store.manifest(step).fingerprint != value:
                log.warning("%s was computed since: the imported one is not put back", step)
            continue
        _commit(store, step, runs, parameters, value)


def _commit(
    store: Store,
    step: str,
    runs: Sequence[tuple[RunSource, ImportedResult]],
    parameters: Mapping[str, Any],
    value: str,
) -> None:
    """Write the rows of each run, and commit the step."""
    shared = set.intersection(*(set(r.reflections) for _, r in runs))
    lost = sorted(set().union(*(set(r.reflections) for _, r in runs)) - shared)
    experiments: list[Experiment] = []
    partitions = []
    for source, result in runs:
        taken = {e.identifier for e in experiments}
        own = [_named(e, source, step, taken) for e in result.experiments]
        experiments += own
        part = StepResult(
            experiments=ExperimentList.of(own),
            reflections={n: v for n, v in result.reflections.items() if n in shared},
            arrays=result.arrays,
            tables=tuple(_of_run(t, source) for t in result.tables),
            messages=result.messages,
        )
        partitions.append(
            write_partition(
                store.path, store.branch, step, part,
                run=source.name, fingerprint=value, parameters=parameters,
            )
        )  # fmt: skip
    names = dict.fromkeys(t.name for p in partitions for t in p.tables)
    lines = dict.fromkeys(line for p in partitions for line in p.messages)
    if lost:
        lines[f"columns that some files lack are left out: {', '.join(lost)}"] = None
    n = sum(p.n_reflections for p in partitions)
    whole = StepResult(
        experiments=ExperimentList.of(experiments),
        reflections={},
        tables=tuple(
            Table.joined([t for p in partitions for t in p.tables if t.name == name])
            for name in names
        ),
        messages=(f"{n} reflections imported as {step}", *lines),
    )
    commit_step(
        store.path, store.branch, step, partitions,
        result=whole, fingerprint=value, parameters=parameters, seconds={},
    )  # fmt: skip


def _named(
    experiment: Experiment, source: RunSource, step: str, taken: Collection[str]
) -> Experiment:
    """Return the models with the name that the run has in the store; of spots those of the run.

    taken : identifiers of runs before: one of these, in another job's files, is replaced.
    """
    identifier = experiment.identifier
    if identifier in taken:
        identifier = f"{source.name}_{identifier}"
    if step == "find_spots":
        return replace(source.experiment, identifier=identifier)
    return replace(experiment, run=source.name, identifier=identifier)


def _of_run(table: Table, source: RunSource) -> Table:
    rows = [{**row, "run": source.name} if "run" in row else row for row in table.rows]
    return replace(table, rows=rows)
