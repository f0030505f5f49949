"""The two sides of a comparison: a store on a branch, or one run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dxdask.errors import InputError
from dxdask.report.step_tables import Rows, StepTables
from dxdask.storage.store.store import Store


@dataclass(frozen=True, slots=True)
class Side:
    """One side.

    Attributes
    ----------
    label : in tables and plots. tables : of its store. run : that is compared; None: all.
    """

    label: str
    tables: StepTables
    run: str | None

    def rows(self, step: str, table: str) -> Rows:
        """Return the rows of a table, of its run if it is one and they are by run."""
        rows = self.tables.rows(step, table)
        if self.run is None or not rows or "run" not in rows[0]:
            return rows
        return [row for row in rows if self.run in str(row["run"]).split(", ")]

    def total(self, step: str, table: str, *names: str) -> int | None:
        """Return the sum of the first of these columns that is there, None where none is."""
        rows = self.rows(step, table)
        if self.run is not None and rows and "run" not in rows[0]:
            return None  # of all runs together
        for name in names:
            found = [row.get(name) for row in rows]
            if any(v is not None for v in found):
                return int(sum(v or 0 for v in found))
        return None

    def median(self, step: str, table: str, name: str) -> float | None:
        """Return the median of a column, None where it has no number."""
        found = [float(row[name]) for row in self.rows(step, table) if _number(row.get(name))]
        return float(np.median(found)) if found else None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


def sides(
    stores: tuple[Store, Store], branches: tuple[str, str] | None, runs: tuple[str, str] | None
) -> tuple[Side, Side]:
    """Return the two sides; branches, runs : of the first and the second, None: as opened, all.

    Raises
    ------
    InputError
        A store has no such branch or run, or both sides are the same.
    """
    own = []
    for i, store in enumerate(stores):
        if branches is not None:
            if branches[i] not in (*store.branches, "main"):
                raise InputError(
                    f"{store.path} has no branch {branches[i]!r}; it has "
                    f"{', '.join(store.branches)}"
                )
            store = store.on_branch(branches[i])
        if runs is not None and runs[i] not in store.runs:
            raise InputError(
                f"{store.path} has no run {runs[i]!r}; its runs are {', '.join(store.runs)}"
            )
        own.append(store)
    a, b = own
    chosen = (None, None) if runs is None else runs
    if (a.path, a.branch, chosen[0]) == (b.path, b.branch, chosen[1]):
        raise InputError("both sides are the same; give two stores, or branches=A,B, or runs=A,B")
    parts = [
        [s.path.name for s in own] if a.path.name != b.path.name else [str(s.path) for s in own]
        if a.path != b.path else ["", ""],
        [s.branch for s in own] if a.branch != b.branch else ["", ""],
        [str(r) for r in chosen] if chosen[0] != chosen[1] else ["", ""],
    ]  # fmt: skip
    labels = [" ".join(part[i] for part in parts if part[i]) for i in (0, 1)]
    return (
        Side(labels[0], StepTables(a), chosen[0]),
        Side(labels[1], StepTables(b), chosen[1]),
    )


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found.update(flat(value, f"{before}{name}."))
        else:
            found[f"{before}{name}"] = value
    return found
