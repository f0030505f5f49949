"""Results that were made from other input than is there now, and the commands that renew them.

A step's record in a store has, for each run, the fingerprint of its parameters and inputs. It is
computed again from the parameters of then and the inputs of now; where the two differ, or where a
step that it needs is stale, the result is stale.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.parameters.entries import changed
from dxdask.parameters.stored import stored_parameters
from dxdask.pipeline.declaration import Step
from dxdask.pipeline.images import ImageRange, recorded_images
from dxdask.pipeline.imported_results import imported_fingerprint, imported_needs
from dxdask.pipeline.inputs import (
    RunInput,
    kind_of,
    kind_of_store,
    stored_runs,
    with_kept_calibration,
)
from dxdask.pipeline.kinds import Kind
from dxdask.pipeline.steps import closure, parameters_of_step, steps_of_kind
from dxdask.storage.frames.absent import SHAPE
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.store import Store

_Made: TypeAlias = dict[str, tuple[Mapping[str, Any], list[str]]]
"""Parameters and fingerprints of the inputs of each run."""


def prints_of(store: Store, name: str) -> dict[str, str]:
    """Return the fingerprint of each run of a step in a store; none where the step is absent.

    A result that was given, not computed, has none; its identifier stands for it.
    """
    if not store.has_step(name):
        return {}
    manifest = store.manifest(name)
    return {run: value or manifest.id for run, value in manifest.made_from.items()}


def stale_steps(store: Store) -> dict[str, str]:
    """Return the steps of a store that are stale, each with the reason."""
    kinds = {kind_of(store.run_experiment(run)) for run in store.runs}
    if len(kinds) != 1:
        return {}
    (kind,) = kinds
    found: dict[str, str] = {}
    runs = _Runs(store)
    for step in steps_of_kind(kind):
        if not store.has_step(step.name):
            continue
        needs = _needs(store, step)
        reason = next((f"{n} is stale" for n in needs if n in found), None)
        reason = reason or _reason(store, step, runs)
        if reason:
            found[step.name] = reason
    return found


def require_fresh(store: Store, step: Step, names: Sequence[str], otherwise: str = "") -> None:
    """Check that a step is in the store, of these runs, and not stale.

    otherwise : what else to do where it is not there.

    Raises
    ------
    StoreNotFoundError
        It is not there, or not of all these runs.
    InputError
        It is stale; the message has the commands that renew it.
    """
    command = f"dxdask {step.name} {store.path}{_branch(store)}"
    if not store.has_step(step.name):
        remedy = _remedy(store, step, command)
        also = f"; {otherwise}" if otherwise else ""
        raise StoreNotFoundError(f"{store.path} holds no complete {step.name}; {remedy}{also}")
    absent = [name for name in names if name not in prints_of(store, step.name)]
    if absent:
        raise StoreNotFoundError(
            f"{step.name} in {store.path} has no run {', '.join(absent)}; run: {command}"
        )
    require_not_stale(store, step.name)


def _remedy(store: Store, step: Step, command: str) -> str:
    """Return how to get a step that is not in a store: by its command, or by another import."""
    kind = kind_of_store(store) or "sweeps"
    absent = [s for s in closure([step.name], kind, store.has_step) if not store.has_step(s.name)]
    without = [run for run in store.runs if SHAPE in store.run_attributes(run)]
    if not without or not any(s.reads_frames for s in absent):
        return f"run: {command}"
    return (
        f"it is made from frames, which {without[0]} was imported without: import the image files, "
        f"or the {step.name} of the program that made these results"
    )


def require_not_stale(store: Store, name: str) -> None:
    """Check that a step, if it is in the store, is not stale.

    Raises
    ------
    InputError
        It is stale; the message has the commands that renew it.
    """
    stale = stale_steps(store)
    if name in stale:
        raise InputError(
            f"{name} in {store.path} was made from other input than is there now "
            f"({stale[name]}); run it again: "
            f"{' && '.join(renewing_commands(store, [name], stale))}"
        )


def refuse_renewed(store: Store, name: str, renewed: str) -> NoReturn:
    """Refuse a step in the store that a command would make stale and then read.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"{name} in {store.path} was made from the {renewed} that this command makes again; run "
        f"the steps one by one: {renewed}, {name}, and those that follow"
    )


def renewing_commands(store: Store, names: Sequence[str], stale: Mapping[str, str]) -> list[str]:
    """Return the commands that renew steps: of them and of those they need, as far as stale.

    The parameters are those that the results were made with.
    """
    kind = kind_of_store(store) or "sweeps"
    return [
        " ".join(["dxdask", s.name, shlex.quote(str(store.path)), *_assignments(store, s, kind)])
        + _branch(store)
        for s in closure(names, kind, store.has_step)
        if s.name in stale
    ]


class _Runs:
    """The runs of a store, loaded on access, as recorded and as calibrated."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._there = set(store.runs)
        self._runs: dict[tuple[str, ImageRange | None, bool], RunInput] = {}

    def get(self, name: str, images: ImageRange | None, *, recorded: bool) -> RunInput | None:
        """Return a run, or these images of it; None where it is no longer there."""
        if name not in self._there:
            return None
        if (name, images, recorded) not in self._runs:
            run = stored_runs(self._store, [name])[0].of_images(images)
            self._runs[name, images, True] = run
            self._runs[name, images, False] = with_kept_calibration(self._store, run)
        return self._runs[name, images, recorded]


def _needs(store: Store, step: Step) -> tuple[str, ...]:
    """Return the steps that the present result of a step was made from."""
    imported = imported_needs(store.manifest(step.name).parameters)
    return tuple(step.sources(store.has_step).values()) if imported is None else imported


def _reason(store: Store, step: Step, runs: _Runs) -> str | None:
    """Return the first input of a step that changed; None where it is as it was."""
    manifest = store.manifest(step.name)
    if imported_needs(manifest.parameters) is not None:
        return _reason_of_imported(store, step)
    sources = _needs(store, step)
    needed = {name: prints_of(store, name) for name in sources}
    made: _Made = {}
    for name in (n for n, value in manifest.made_from.items() if value):
        parameters = manifest.parameters_of(name)
        run = runs.get(name, recorded_images(parameters), recorded=step.as_recorded)
        if run is None:
            return f"run {name} is gone"
        absent = next((n for n in sources if name not in needed[n]), None)
        if absent:
            return f"{absent} has no run {name}"
        own = [run.fingerprint] if step.reads_frames else []
        inputs = [*own, *(needed[n][name] for n in sources)]
        made[name] = parameters, inputs
    was = {name: value for name, value in manifest.made_from.items() if value}
    differing = _differing(was, made, step, step.version)
    if not differing:
        return None
    if any(not _differing(was, made, step, v) for v in _earlier(step.version)):
        return f"{step.name} has a new version"
    what = " or ".join(["frames, mask or calibration"] * step.reads_frames
                       + list(sources))  # fmt: skip
    return f"{what} of run {', '.join(differing[:3])}{' ...' * (len(differing) > 3)} changed"


def _differing(was: Mapping[str, str], made: _Made, step: Step, version: str) -> list[str]:
    """Return the runs whose fingerprint is not that of this version of the step."""
    own = {n: fingerprint(step.name, *parts, version) for n, parts in made.items()}
    whole = fingerprint(step.name, own, [], version)
    return [name for name, value in was.items() if value not in (own[name], whole)]


def _earlier(version: str) -> list[str]:
    """Return the versions before one such as "3" or "stills 3"."""
    kind, space, number = version.rpartition(" ")
    return [f"{kind}{space}{n}" for n in range(1, int(number))] if number.isdigit() else []


def _reason_of_imported(store: Store, step: Step) -> str | None:
    """Return which of the results that were imported with a step's is not that any more."""
    manifest = store.manifest(step.name)
    needs = _needs(store, step)
    inputs = [store.manifest(n).fingerprint if store.has_step(n) else "" for n in needs]
    newer = next((n for n in step.sources(store.has_step).values() if n not in needs), None)
    if newer is not None and newer in step.replacing:
        return f"{newer} was made since"
    there = set(store.runs)
    gone = next((name for name in manifest.made_from if name not in there), None)
    if gone is not None:
        return f"run {gone} is gone"
    if imported_fingerprint(step.name, manifest.parameters, inputs) == manifest.fingerprint:
        return None
    return f"{' or '.join(needs)} is not the one that it was imported with"


def _assignments(store: Store, step: Step, kind: Kind) -> Iterator[str]:
    """Yield the parameters of a step in the store that are not at default, as `a.b.c=value`."""
    stored = store.manifest(step.name).parameters
    given = {group: stored[group] for group in step.parameters() if group in stored}
    for line in changed(stored_parameters(parameters_of_step(step, kind), given)):
        yield shlex.quote(line.replace(" = ", "=", 1))


def _branch(store: Store) -> str:
    return "" if store.branch == "main" else f" branch={store.branch}"
