"""Tables, columns and arrays of a store, each read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.models import Experiment, ExperimentList
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

Rows = Sequence[Mapping[str, Any]]
T = TypeVar("T")


class StepTables:
    """The tables of a store; a table or column that is not there has no rows or values."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._steps = store.step_names()
        self._tables: dict[str, dict[str, Table]] = {}
        self._columns: dict[str, Reflections] = {}
        self._arrays: dict[str, dict[str, NDArray[Any]]] = {}
        self._imported: dict[str, Experiment] = {}
        self._experiments: dict[str, ExperimentList] = {}
        self._made: dict[Callable[[StepTables], Any], Any] = {}

    def __contains__(self, step: str) -> bool:
        return step in self._steps

    def steps(self) -> tuple[str, ...]:
        """Return the complete steps, in the order of processing."""
        return self._steps

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs, in the order of import."""
        return self.store.runs

    def run_experiment(self, run: str) -> Experiment:
        """Return the models of a run as imported."""
        if run not in self._imported:
            self._imported[run] = self.store.run_experiment(run)
        return self._imported[run]

    def tables(self, step: str) -> dict[str, Table]:
        """Return the tables of a step by name."""
        if step not in self._tables:
            there = self.store.tables(step) if step in self else ()
            self._tables[step] = {table.name: table for table in there}
        return self._tables[step]

    def rows(self, step: str, table: str) -> Rows:
        """Return the rows of a table."""
        found = self.tables(step).get(table)
        return [] if found is None else found.rows

    def values(self, step: str, table: str, column: str) -> list[float]:
        """Return the finite numbers of a column."""
        cells = [row.get(column) for row in self.rows(step, table)]
        return [float(c) for c in cells if isinstance(c, (int, float)) and np.isfinite(c)]

    def column(self, step: str, table: str, name: str) -> NDArray[np.float64]:
        """Return the numbers (rows,) of a column, NaN where there is none."""
        cells = [row.get(name) for row in self.rows(step, table)]
        return np.array([np.nan if c is None else c for c in cells], dtype=np.float64)

    def texts(self, step: str, table: str, name: str) -> NDArray[np.str_]:
        """Return the texts (rows,) of a column."""
        return np.array([str(row.get(name)) for row in self.rows(step, table)], dtype=np.str_)

    def present(self, step: str, names: Sequence[str]) -> list[str]:
        """Return those of the columns of reflections that a step has."""
        if step not in self:
            return []
        there = self.store.manifest(step).columns
        return [name for name in names if name in there]

    def columns(self, step: str, names: Sequence[str]) -> Reflections:
        """Return columns of a step's reflections; raise KeyError where one is not there."""
        kept = self._columns.setdefault(step, {})
        missing = list(dict.fromkeys(name for name in names if name not in kept))
        if self.present(step, missing) != missing:
            raise KeyError(f"{step} has no column {', '.join(missing)}")
        if missing:
            kept.update(self.store.columns(step, missing))
        return {name: kept[name] for name in names}

    def arrays(self, step: str, *names: str) -> dict[str, NDArray[Any]]:
        """Return arrays of a step that stand beside its table; those that are not there are not."""
        there = self.store.manifest(step).arrays if step in self else ()
        wanted = [name for name in names if name in there]
        kept = self._arrays.setdefault(step, {})
        missing = [name for name in wanted if name not in kept]
        if missing:
            kept.update(self.store.arrays(step, missing))
        return {name: kept[name] for name in wanted}

    def experiments(self, step: str) -> ExperimentList:
        """Return the models as a step left them."""
        if step not in self._experiments:
            self._experiments[step] = self.store.experiments(step)
        return self._experiments[step]

    def once(self, make: Callable[[StepTables], T]) -> T:
        """Return what a function makes of these tables, which is called once."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found
