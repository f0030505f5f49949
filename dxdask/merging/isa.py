"""Asymptotic I/sigma (ISa) of scaled data, among the statistics of merging."""

from __future__ import annotations

from dataclasses import replace

from dxdask.results import StepResult


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
