"""Result of a step: models, reflections, and the tables it shows."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from dxdask.columns import Reflections, n_rows
from dxdask.errors import SchemaError
from dxdask.models import ExperimentList
from dxdask.tables import Table, shortened


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """The outcome of one step, of one shape for all steps, so that any can be stored and shown.

    Attributes
    ----------
    experiments : the models as this step leaves them.
    reflections : one table with the columns of `dxdask.columns`, sorted by experiment.
    arrays : what does not fit a table row by row (spot pixels and their offsets, histograms).
    tables : shown to the user, in order.
    messages : lines shown to the user before the tables.
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
            There is none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        there = ", ".join(t.name for t in self.tables) or "none"
        raise SchemaError(f"no table {name!r}; there are: {there}")
