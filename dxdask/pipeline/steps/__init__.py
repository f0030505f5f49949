"""The steps, one declaration (`STEP`) a module of this package.

A module added to the package is a step with its command, Python function, storage, fingerprints,
history and progress; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import create_model

from dxdask.errors import ParameterError
from dxdask.pipeline.declaration import Step
from dxdask.pipeline.kinds import Kind


def all_steps() -> tuple[Step, ...]:
    """Return every step, each after those it needs."""
    return _steps_in(tuple(sorted(m.name for m in iter_modules(__path__))))


@cache
def _steps_in(modules: tuple[str, ...]) -> tuple[Step, ...]:
    return _in_order([import_module(f"{__name__}.{name}").STEP for name in modules])


def steps_of_kind(kind: Kind) -> tuple[Step, ...]:
    """Return the steps for sweeps or for stills, each after those it needs."""
    return tuple(step for step in all_steps() if kind in step.kinds)


def step_of(name: str, kind: Kind) -> Step:
    """Return a step by its name or an alias.

    Raises
    ------
    ParameterError
        There is none for this kind of experiment.
    """
    for step in steps_of_kind(kind):
        if name == step.name or name in step.aliases:
            return step
    others = [s for s in all_steps() if name == s.name or name in s.aliases]
    if others:
        raise ParameterError(
            f"{name} is a step for {' and '.join(others[0].kinds)}, not for {kind}"
        )
    raise ParameterError(f"there is no step {name}; there are {', '.join(names())}")


def names() -> list[str]:
    """Return the names of all steps, each once, in the order of processing."""
    return list(dict.fromkeys(n for s in all_steps() for n in (s.name, *s.aliases)))


def canonical(name: str) -> str:
    """Return the name of the step that has this name or alias."""
    return next((s.name for s in all_steps() if name in s.aliases), name)


def closure(
    names: Iterable[str], kind: Kind, there: Callable[[str], bool] = lambda _name: False
) -> list[Step]:
    """Return the steps of these names and those that they need, in the order of processing.

    there : whether a step is in the store, for those read in place of another.
    """
    found: set[str] = set()
    todo = [step_of(name, kind).name for name in names]
    while todo:
        name = todo.pop()
        found.add(name)
        todo += step_of(name, kind).sources(there).values()
    return [step for step in steps_of_kind(kind) if step.name in found]


def parameters_of_kind(kind: Kind) -> type[Any]:
    """Return the model of the parameters of all steps of a kind, and of where a command runs."""
    return _parameters_of(kind, steps_of_kind(kind))


def parameters_of_step(step: Step, kind: Kind) -> type[Any]:
    """Return the model of the parameters of one step, and of where a command runs."""
    return _parameters_of(kind, (step,))


@cache
def _parameters_of(kind: Kind, steps: tuple[Step, ...]) -> type[Any]:
    base = _base_of(kind)
    fields: dict[str, Any] = {}
    for step in steps:
        for name, default in step.parameters().items():
            if name not in base.model_fields:
                fields[name] = (type(default), default)
    return create_model(f"{kind.capitalize()}Parameters", __base__=base, **fields)


def _base_of(kind: Kind) -> type[Any]:
    """Return the model that the parameters of all steps of a kind are added to."""
    # loaded when parameters are asked for, not with the names of the steps
    if kind == "sweeps":
        from dxdask.pipeline.parameters import StepParameters

        return StepParameters
    from dxdask.pipeline.stills.parameters import StillsBaseParameters

    return StillsBaseParameters


def _in_order(steps: list[Step]) -> tuple[Step, ...]:
    done: list[Step] = []
    waiting = sorted(steps, key=lambda s: (s.name, s.kinds))
    while waiting:
        there = {(s.name, kind) for s in done for kind in s.kinds}
        ready = [
            s
            for s in waiting
            if all((n, s.kinds[0]) in there for n in (*s.needs, *s.uses, *s.replacing))
        ]
        if not ready:
            lacking = "; ".join(f"{s.name} needs {', '.join(s.needs)}" for s in waiting)
            raise ParameterError(f"steps need others that are not there, or each other: {lacking}")
        done += ready
        waiting = [s for s in waiting if s not in ready]
    return tuple(done)
