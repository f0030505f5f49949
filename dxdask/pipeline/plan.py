"""The one graph: the steps to be computed, those in the store already, and their commits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask.delayed import Delayed, delayed

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.parameters import Parameters
from dxdask.pipeline.catalogue import STEPS, Step
from dxdask.pipeline.frames import finish
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.steps import BUILDERS, Ensemble, Inputs
from dxdask.results import StepResult
from dxdask.storage.store.masks import CONTENTS
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.runs import RunWriter
from dxdask.storage.store.store import Store
from dxdask.storage.store.write import write_step

if TYPE_CHECKING:
    from dxdask.cluster.running_counts import TaskCounter
    from dxdask.graphs.blocked import Frames


@dataclass(kw_only=True)
class Plan:
    """A graph that is ready to run.

    Attributes
    ----------
    fingerprints : of each step of the plan, computed or found.
    results : the lazy `StepResult` of each.
    commits : one lazy task a step to be computed, which writes it to the store.
    found : steps that are in the store with the same fingerprint and are not repeated.
    finishes : lazy tasks that mark the runs imported on the way as complete, before find_spots is.
    reads : the frames that each step to be computed reads, if any.
    counter : the counts of the tasks' results to show on the way.
    """

    fingerprints: dict[str, str] = field(default_factory=dict)
    results: dict[str, Delayed] = field(default_factory=dict)
    commits: dict[str, Delayed] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    finishes: list[Delayed] = field(default_factory=list)
    reads: dict[str, list[Frames]] = field(default_factory=dict)
    counter: TaskCounter | None = None

    @property
    def tasks(self) -> list[Delayed]:
        """All that is to be computed."""
        return [*self.finishes, *self.commits.values()]


def make_plan(
    store: Store,
    names: Sequence[str],
    ensemble: Ensemble,
    parameters: StepParameters,
    run_fingerprints: Sequence[str],
    writers: Sequence[RunWriter] = (),
) -> Plan:
    """Return the graph of these steps; computes nothing.

    A step begins when those it needs are in the store: if it fails, they are not lost.

    run_fingerprints: of each run's import, in the order of the ensemble. writers: of the runs that
    find_spots imports as it reads them; they are complete before its own result is.

    Raises
    ------
    StoreNotFoundError
        A step that is needed and not asked for is not in the store.
    InputError
        A step that is needed was made from something else than what is there now.
    """
    plan, started = Plan(), time.time()
    for step in _closure(names):
        runs = run_fingerprints if step.reads_frames else ()
        inputs = [*runs, *(plan.fingerprints[n] for n in step.needs)]
        if step.name not in names:
            plan.fingerprints[step.name] = present(store, step, inputs)
            plan.results[step.name] = stored_result(store, step.name)
            continue
        given = parameters_of(step, parameters)
        if step.name in ensemble.contents:
            given[CONTENTS] = dict(ensemble.contents[step.name])
        if is_found(plan, store, step, given, inputs, force=parameters.force):
            continue
        build = BUILDERS[step.name]
        result = build(Inputs(ensemble=ensemble, results=plan.results, parameters=parameters))
        if step.reads_frames:
            plan.reads[step.name] = [*ensemble.incoming.values(), *ensemble.frames.values()]
        if step.name == "find_spots":
            plan.finishes = [delayed(finish, pure=True)(w, (), result) for w in writers]
        add_result(plan, store, step, result, given, started)
    return plan


def is_found(
    plan: Plan,
    store: Store,
    step: Step,
    given: Mapping[str, Any],
    inputs: Sequence[str],
    *,
    force: bool,
) -> bool:
    """Return whether a step need not be computed; the plan then has its result from the store.

    The plan has its fingerprint in any case.

    given : the parameters it reads. inputs : fingerprints of what it is made from. force : compute
    it even so.
    """
    name = step.name
    wanted = plan.fingerprints[name] = fingerprint(name, given, inputs, step.version)
    if force or not store.has_step(name, wanted):
        return False
    plan.found.append(name)
    plan.results[name] = stored_result(store, name)
    return True


def add_result(
    plan: Plan,
    store: Store,
    step: Step,
    result: Delayed,
    parameters: dict[str, Any],
    started: float,
) -> None:
    """Add a step's result, whose fingerprint the plan has, and the task that writes it."""
    commit = plan.commits[step.name] = delayed(_commit, pure=True)(
        str(store.path),
        step.name,
        result,
        parameters,
        plan.fingerprints[step.name],
        [started, *(plan.commits[n] for n in step.needs if n in plan.commits)],
        plan.finishes,
    )
    plan.results[step.name] = delayed(_committed, pure=True)(result, commit)


def _closure(names: Sequence[str]) -> list[Step]:
    """Return the steps named and those that they need, in the order of processing."""
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        wanted.add(name)
        todo += STEPS[name].needs
    return [step for step in STEPS.values() if step.name in wanted]


def present(store: Store, step: Step, inputs: Sequence[str], *, command: str | None = None) -> str:
    """Return the fingerprint of a step in the store, after checking that it fits its inputs.

    command : the one that makes it, if not that of its name.

    Raises
    ------
    StoreNotFoundError
        It is not there.
    InputError
        It was made from something else.
    """
    command = command or step.name
    if not store.has_step(step.name):
        raise StoreNotFoundError(
            f"{store.path} holds no complete {step.name}; run: dxdask {command} {store.path}"
        )
    found = store.step_attributes(step.name)
    if found["fingerprint"] != fingerprint(step.name, found["parameters"], inputs, step.version):
        raise InputError(
            f"{step.name} in {store.path} was made from other input than is there now; "
            f"run it again: dxdask {command} {store.path}"
        )
    return str(found["fingerprint"])


def parameters_of(step: Step, parameters: Parameters) -> dict[str, Any]:
    """Return the parameters that a step reads, as JSON holds them."""
    return {g: getattr(parameters, g).model_dump(mode="json") for g in step.groups}


def stored_result(store: Store, name: str) -> Delayed:
    """Return the result of a step in the store, a Delayed `StepResult`."""
    attributes = store.step_attributes(name)
    read: Delayed = delayed(_read_step, pure=True)(str(store.path), name, attributes["id"])
    return read


def _read_step(path: str, name: str, _identifier: str) -> StepResult:
    return Store.open(path, mode="r").read_step(name)


def _commit(
    path: str,
    name: str,
    result: StepResult,
    parameters: dict[str, Any],
    fingerprint: str,
    begun: list[float],
    _finished: list[str],
) -> float:
    """Write a step whole; returns the time. The process that computes the graph holds the lock.

    begun: when the computation began, and when each step that this one needs was written.
    """
    seconds = time.time() - max(begun)
    write_step(
        Path(path),
        name,
        result,
        parameters=parameters,
        fingerprint=fingerprint,
        seconds={"wall": max(0.0, seconds)},
    )
    return time.time()


def _committed(result: StepResult, _commit: float) -> StepResult:
    """Return a result, now that it is in the store."""
    return result
