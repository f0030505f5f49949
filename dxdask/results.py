"""Results of steps: models, reflections, arrays, tables, messages and problems."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from dxdask.columns import Reflections, n_rows
from dxdask.errors import InputError, SchemaError
from dxdask.models import ExperimentList
from dxdask.tables import Table, shortened


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """The result of one step, of the same type for all steps.

    Attributes
    ----------
    experiments : the models after this step.
    reflections : one table with the columns of `dxdask.columns`, sorted by experiment.
    arrays : data that is not one value per row (spot pixels and their offsets, histograms).
    tables : reported to the user, in order.
    messages : lines reported to the user before the tables.
    problems : frames or reflections that could not be processed: keys run, image, step, reason.
    """

    experiments: ExperimentList
    reflections: Reflections
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    messages: tuple[str, ...] = ()
    problems: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        arrays = [f"{name} {values.shape}" for name, values in self.arrays.items()]
        return "\n".join(
            [
                f"StepResult: {n_rows(self.reflections)} reflections",
                f"  columns: {shortened(list(self.reflections), 10)}",
                f"  experiments: {self.experiments!r}",
                f"  arrays: {shortened(arrays)}",
                f"  tables: {shortened([t.name for t in self.tables], 10)}",
                f"  messages: {len(self.messages)}, problems: {len(self.problems)}",
            ]
        )

    def _repr_html_(self) -> str:
        """Return the result for a notebook: counts, experiments, and the tables it prints."""
        lines = html.escape(repr(self))
        tables = [t._repr_html_() for t in self.tables if t.printed]
        return "".join([f"<pre>{lines}</pre>", *tables])

    def table(self, name: str) -> Table:
        """Return the table of this name.

        Raises
        ------
        SchemaError
            There is no such table.
        """
        for table in self.tables:
            if table.name == name:
                return table
        there = ", ".join(t.name for t in self.tables) or "none"
        raise SchemaError(f"no table {name!r}; there are: {there}")


def joined(results: Sequence[StepResult]) -> StepResult:
    """Return models, tables, messages and problems of runs as of all of them, in order.

    Rows and arrays are left out. Tables of one name are put one below the other; messages are
    preceded by the name of their run, where there are several.

    Raises
    ------
    InputError
        No results.
    """
    if not results:
        raise InputError("no run to combine; give the results of at least one")
    tables: dict[str, list[Table]] = {}
    for table in (t for r in results for t in r.tables):
        tables.setdefault(table.name, []).append(table)
    runs = [", ".join(r.experiments.runs) for r in results]
    return StepResult(
        experiments=ExperimentList.of([e for r in results for e in r.experiments]),
        reflections={},
        tables=tuple(Table.joined(parts) for parts in tables.values()),
        messages=tuple(
            line if len(results) == 1 or line.startswith(f"{run}:") else f"{run}: {line.lstrip()}"
            for run, r in zip(runs, results, strict=True)
            for line in r.messages
        ),
        problems=tuple(p for r in results for p in r.problems),
    )
