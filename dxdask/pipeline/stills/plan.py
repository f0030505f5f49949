"""The one graph of stills: what is in the store already is not done again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dask.delayed import Delayed, delayed

from dxdask.errors import InputError
from dxdask.graphs.stills import process as graph
from dxdask.graphs.stills import results
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.run import StillsRun
from dxdask.graphs.stills.stored import (
    part_of_index,
    part_of_spots_told,
    stills_of,
    with_more_spots,
)
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.consensus import ProposedCell
from dxdask.indexing.stills.step import known_cell
from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.pipeline.catalogue import Step
from dxdask.pipeline.frames import finish
from dxdask.pipeline.plan import Plan, add_result, parameters_of, stored_result
from dxdask.pipeline.stills.before import (
    NOTHING,
    Before,
    events_before,
    found_before,
    runs_before,
    without_runs,
)
from dxdask.pipeline.stills.catalogue import STILLS_STEPS
from dxdask.pipeline.stills.inputs import StillsInputs
from dxdask.pipeline.stills.parameters import StillsStepParameters
from dxdask.pipeline.stills.tally import STILLS_COUNTER
from dxdask.results import StepResult
from dxdask.spotfinding import combine
from dxdask.storage.store.masks import CONTENTS
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.runs import RunWriter
from dxdask.storage.store.store import Store


def make_stills_plan(
    store: Store,
    inputs: StillsInputs,
    parameters: StillsStepParameters,
    writers: Sequence[RunWriter] = (),
) -> Plan:
    """Return the graph of the steps that `dispatch` asks for; computes nothing.

    Steps that the store holds with the same fingerprints are not repeated, up to the first that is
    missing: from there on events are taken further from what is known of them. If they were made
    of the first few of these runs, they are taken over for these. writers : of the runs that are
    imported as their frames are first read.
    """
    plan, started = Plan(counter=STILLS_COUNTER), time.time()
    steps = wanted_steps(parameters)
    given = {s.name: given_of(s, parameters, inputs.contents) for s in steps}
    plan.fingerprints = _fingerprints(steps, given, inputs.prints)
    for step in steps:
        if parameters.force or not store.has_step(step.name, plan.fingerprints[step.name]):
            break
        plan.found.append(step.name)
        plan.results[step.name] = stored_result(store, step.name)
    missing = [s.name for s in steps if s.name not in plan.found]
    before = NOTHING if plan.found else _before(store, inputs, parameters, steps)
    made = _results(plan, inputs, parameters, missing, before)
    if "find_spots" in made:
        plan.finishes = [delayed(finish, pure=True)(w, (), made["find_spots"]) for w in writers]
    for step in steps:
        if step.name not in missing:
            continue
        if step.reads_frames:
            runs = (*inputs.incoming[before.n_runs :], *inputs.frames[before.n_runs :])
            plan.reads[step.name] = [r.frames for r in runs]
        if step.name == "merge":
            merge = delayed(merged, pure=True)
            made["merge"] = merge(plan.results["integrate"], parameters.merging)
        add_result(plan, store, step, made[step.name], given[step.name], started)
    return plan


def wanted_steps(parameters: StillsStepParameters) -> list[Step]:
    """Return the steps that `dispatch` asks for."""
    asked = parameters.dispatch
    left_out = [name for name in ("index", "integrate", "merge") if not getattr(asked, name)]
    # each needs the one before it
    names = list(STILLS_STEPS)
    last = min((names.index(name) for name in left_out), default=len(names))
    return [STILLS_STEPS[name] for name in names[:last]]


def given_of(
    step: Step, parameters: StillsStepParameters, contents: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the parameters that a step reads, with what it reads beside its inputs."""
    given = parameters_of(step, parameters)
    if step.name == "hits":
        given["hits"] = parameters.hit_finder.model_dump(mode="json")
    if contents.get(step.name):
        given[CONTENTS] = dict(contents[step.name])
    return given


def _fingerprints(
    steps: Sequence[Step], given: Mapping[str, Mapping[str, Any]], runs: Sequence[str]
) -> dict[str, str]:
    """Return the fingerprint of each step; runs : those of the imports."""
    found: dict[str, str] = {}
    for step in steps:
        needed = [*(runs if step.reads_frames else ()), *(found[n] for n in step.needs)]
        found[step.name] = fingerprint(step.name, given[step.name], needed, step.version)
    return found


def _before(
    store: Store, inputs: StillsInputs, parameters: StillsStepParameters, steps: Sequence[Step]
) -> Before:
    """Return the first runs that the store knows by the same parameters, if others have come.

    Where the cell is not known, all runs together say what it is.
    """
    runs = [r.run.experiment.run for r in inputs.frames]
    n = 0 if parameters.force else runs_before(store, runs)
    blind = parameters.dispatch.index and known_cell(parameters.indexing) is None
    if not n or blind or parameters.spotfinder.write_hot_mask:
        return NOTHING
    contents = {name: without_runs(c, runs[n:]) for name, c in inputs.contents.items()}
    given = {s.name: given_of(s, parameters, contents) for s in steps}
    return found_before(store, n, _fingerprints(steps, given, inputs.prints[:n]))


def _results(
    plan: Plan,
    inputs: StillsInputs,
    parameters: StillsStepParameters,
    missing: Sequence[str],
    before: Before,
) -> dict[str, Delayed]:
    """Return the lazy results of the steps that are missing, but for merge."""
    made: dict[str, Delayed] = {}
    if not set(missing) - {"merge"}:
        return made
    # one by one: a task that is of one run is not to be handed the masks of all
    shared = [delayed(r.run, name=None, pure=True, traverse=False) for r in inputs.frames]
    known = known_cell(parameters.indexing) if parameters.dispatch.index else None
    integrate = "integrate" in missing
    parts, cells = _events(plan, inputs, known, before, integrate=integrate)
    if "find_spots" in missing:
        spots, n = delayed(results.spots_result, pure=True), before.n_runs
        found = [spots(part, run) for part, run in zip(parts[n:], shared[n:], strict=True)]
        made["find_spots"] = (
            delayed(with_more_spots, pure=True)(before.results["find_spots"], found)
            if n
            else delayed(combine, pure=True)(found)
        )
    if "hits" in missing:
        made["hits"] = delayed(results.hits_result, pure=True)(parts, shared)
    indexed = plan.results.get("index")
    if "index" in missing:
        made["index"] = indexed = delayed(_index, pure=True)(parts, shared, known, cells)
    if integrate:
        made["integrate"] = delayed(_integrate, pure=True)(parts, indexed)
    return made


def _events(
    plan: Plan,
    inputs: StillsInputs,
    known: KnownCell | None,
    before: Before,
    *,
    integrate: bool,
) -> tuple[list[Delayed], Delayed | None]:
    """Return the events of each run, taken on from what the store holds of them."""
    shared = [delayed(r.run, name=None, pure=True, traverse=False) for r in inputs.frames]
    if "index" in plan.found:
        indexed = plan.results["index"]
        stored = [delayed(part_of_index, pure=True)(indexed, run) for run in shared]
        return graph.go_on(
            inputs.frames, stored, delayed(_cell_of, pure=True)(indexed), integrate=integrate
        )
    if "find_spots" in plan.found:
        again = delayed(part_of_spots_told, pure=True)
        stored = [again(plan.results["find_spots"], run) for run in shared]
        return graph.go_on(inputs.frames, stored, known, integrate=integrate)
    n = before.n_runs
    frames = [r.frames for r in inputs.frames[n:]]
    new, cells = graph.process_stills(inputs.incoming[n:], known, integrate=integrate, again=frames)
    old = events_before(before, inputs, known, integrate=integrate) if n else []
    return [*old, *new], cells


def _index(
    parts: Sequence[StillsPart],
    runs: Sequence[StillsRun],
    known: KnownCell | None,
    cells: Sequence[ProposedCell] | None,
) -> StepResult:
    if known is None and cells:
        known = cells[0].known
    if known is None:
        raise InputError("no cell is known; give indexing.known_symmetry.unit_cell")
    return results.index_result(parts, runs, known, cells)


def _cell_of(indexed: StepResult) -> KnownCell:
    crystal = indexed.experiments.crystals[0]
    return KnownCell.of(crystal.unit_cell, crystal.space_group)


def _integrate(parts: Sequence[StillsPart], indexed: StepResult) -> StepResult:
    return results.integrate_result(parts, indexed.experiments)


def merged(integrated: StepResult, parameters: StillsMergingParameters) -> StepResult:
    """Return the result of merge, with the table of stills as it leaves it."""
    stills = stills_of(integrated)
    found = merge_stills(integrated.reflections, stills, integrated.experiments, parameters)
    return replace(found.result, arrays={**found.result.arrays, **found.stills})
