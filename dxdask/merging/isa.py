"""Asymptotic I/sigma (ISa) of scaled data: that of the strongest reflections.

Of an error model sigma'^2 = a^2 (sigma^2 + (b I)^2) it is 1 / (a b) (Diederichs 2010, Acta Cryst.
D66, 733).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dxdask.results import StepResult
from dxdask.tables import Table

LARGEST = 1000.0
"""ISa beyond which the data show no systematic error at all, so that none is known."""


def isa_of(tables: Iterable[Table]) -> float | None:
    """Return ISa of the tables of scaling, None where the error model does not give it."""
    rows: list[Mapping[str, Any]] = [
        row for table in tables if table.name == "error_model" for row in table.rows
    ]
    limit = rows[0].get("i_over_sigma_limit") if rows else None
    return None if limit is None or limit > LARGEST else float(limit)


def with_isa(result: StepResult, isa: float | None) -> StepResult:
    """Return the result of merging with ISa as the last line of its summary."""
    line = {
        "statistic": "Asymptotic I/sigma (ISa)",
        "overall": "-" if isa is None else f"{isa:.1f}",
        "inner": "-",
        "outer": "-",
    }
    tables = [
        replace(table, rows=[*table.rows, line]) if table.name == "summary" else table
        for table in result.tables
    ]
    return replace(result, tables=tuple(tables))
