"""Steps as Python functions, made from their declarations."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dxdask.errors import InputError, ParameterError
from dxdask.parameters import Parameters
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.parameters.entries import entries
from dxdask.pipeline.run import Show
from dxdask.pipeline.step import run_step
from dxdask.pipeline.step_parameters import step_parameters
from dxdask.pipeline.steps import all_steps, canonical
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]


def show_step(store: Store, name: str) -> None:
    """Print the messages and tables of a step."""
    for text in (*store.messages(name), *store.tables(name)):
        sys.stdout.write(f"{text}\n")


def quiet(store: Store, name: str) -> None:
    """Print nothing."""


_EXAMPLE = """
Examples
--------
>>> import dxdask
>>> store = dxdask.{name}("{store}.zarr"{given})
>>> store.has_step("{step}")
True
"""


@dataclass(frozen=True)
class StepFunction:
    """The function of one step: `dxdask.find_spots(store, min_spot_size=2)`."""

    name: str

    def __post_init__(self) -> None:
        step = next(s for s in all_steps() if self.name in (s.name, *s.aliases))
        _, _, arguments = str(inspect.getdoc(type(self).__call__)).partition("\n")
        store = "events" if step.kinds == ("stills",) else "tiny"
        given = f', {step.example}, branch="trial"' if step.example else ', branch="trial"'
        example = _EXAMPLE.format(name=self.name, step=step.name, store=store, given=given)
        object.__setattr__(self, "__doc__", f"{step.title}\n{arguments}\n{example}")
        object.__setattr__(self, "__name__", self.name)

    def __call__(
        self,
        store: Store | PathLike,
        *parameters: Parameters,
        runs: Sequence[str] = (),
        branch: str | None = None,
        cluster: Any = None,
        force: bool = False,
        show: Show = quiet,
        **keywords: Any,
    ) -> Store:
        """Run the step on a store.

        Parameters
        ----------
        store : Store, or its path.
        *parameters : models of groups that the step takes, see `dxdask.parameters`.
        runs : names of the runs to process; none: all.
        branch : of the results; None: the store's.
        cluster : `threads`, `local`, an address, a queue, or a mapping of `cluster` parameters.
        force : compute again results with the same inputs and parameters.
        show : is called with store and step when the step is complete.
        **keywords : parameters by name, as on the command line; a name may be shortened to its
            last parts.

        Returns
        -------
        Store
        """
        if isinstance(store, Store) and store.mode == "r":
            raise InputError(
                f'{store.path} is open for reading; open it with mode="r+" to run {self.name}'
            )
        path = store.path if isinstance(store, Store) else store
        branch = branch or (store.branch if isinstance(store, Store) else "main")
        default, groups = step_parameters(self.name, path)
        given: dict[str, Any] = {"branch": branch, "force": force}
        given |= {"runs": tuple(runs)} if runs else {}
        given |= {} if cluster is None else {"cluster": cluster}
        values = with_assignments(_with_models(default, parameters, groups), flatten(given), groups)
        values = with_assignments(values, flatten(keywords), groups)
        self._refuse_command_only(values, default)
        return run_step(path, self.name, values, show)

    def _refuse_command_only(self, values: Any, default: Any) -> None:
        step = next(s for s in all_steps() if s.name == canonical(self.name))
        usual = {e.path: e.value for e in entries(default)}
        for entry in entries(values):
            if entry.path in step.command_only and entry.value != usual[entry.path]:
                raise ParameterError(
                    f"{entry.path}={entry.value} belongs to the command line; "
                    f"{step.command_only[entry.path]}"
                )


def _with_models(default: Any, models: Sequence[Parameters], groups: Sequence[str]) -> Any:
    """Return the parameters with whole groups replaced by models of their kind."""
    for model in models:
        names = [g for g in groups if type(getattr(default, g)) is type(model)]
        if not names:
            kinds = [type(getattr(default, g)).__name__ for g in groups]
            raise ParameterError(
                f"{type(model).__name__} is no group of these parameters; those are "
                f"{', '.join(kinds)}"
            )
        default = default.model_copy(update={names[0]: model})
    return default
