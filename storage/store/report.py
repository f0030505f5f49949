"""Summary of a store: its steps and tables as data, and as lines and rows to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dxdask.storage.store import documents, layout, read
from dxdask.storage.store.runs import complete_runs


def steps(root: Path, branch: str) -> dict[str, dict[str, Any]]:
    """Return the attributes of each complete step of a branch, in the order of processing.

    They are those of main where the branch has no result of its own.
    """
    present = {*read.step_names(root, branch), *read.step_names(root, layout.MAIN)}
    names = [step for step in layout.RESULT_NAMES.values() if step in present]
    found = {}
    for name in [*names, *sorted(present - set(names))]:
        path = read.complete_step(root, name, branch)
        if path is not None:
            found[name] = read.attributes(path)
    return found


def shown(root: Path, branch: str, step: str | None = None) -> dict[str, Any]:
    """Return steps with parameters, times and tables, and the problems, as strict JSON holds them.

    Raises
    ------
    StoreNotFoundError
        There is no result of `step`.
    """
    if step is None:
        names = list(steps(root, branch))
    else:
        read.require_step(root, step, branch)
        names = [layout.step_of(step)]
    found: dict[str, Any] = {}
    problems = [] if step else [p for r in complete_runs(root).values() for p in _problems(r)]
    for name in names:
        attributes, report = read.steady(root, name, branch, _attributes_and_report)
        found[name] = {
            "complete": True,
            "parameters": attributes["parameters"],
            "seconds": attributes["seconds"],
            "tables": {t["name"]: t["rows"] for t in report["tables"]},
        }
        problems.extend(report["problems"])
    shown: dict[str, Any] = documents.strict(
        documents.encode({"steps": found, "problems": problems})
    )
    return shown


def problems(root: Path, branch: str) -> list[dict[str, Any]]:
    """Return the problems of all runs and steps, as strict JSON holds them."""
    found = [p for run in complete_runs(root).values() for p in _problems(run)]
    for name in steps(root, branch):
        found += read.steady(root, name, branch, read.report)["problems"]
    rows: list[dict[str, Any]] = documents.strict(documents.encode(found))
    return rows


def _problems(run: Mapping[str, Any]) -> list[Any]:
    return list(run.get("problems", ()))


def _attributes_and_report(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return read.attributes(path), read.report(path)


def step_rows(present: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each step: name, branch, reflections, experiments, when, seconds."""
    return [
        {
            "step": name,
            "branch": a["branch"],
            "reflections": a["n_reflections"],
            "experiments": a["n_experiments"],
            "at": str(a["created"])[:19].replace("T", " "),
            "seconds": round(float(a["seconds"].get("wall", 0.0)), 1),
        }
        for name, a in present.items()
    ]


def step_lines(present: Mapping[str, Mapping[str, Any]], most: int = 6) -> list[str]:
    """Return a line for each of the first steps, and one with the names of the others."""
    rows = step_rows(present)
    shown = rows if len(rows) <= most else rows[: most - 1]
    lines = [
        f"{row['step']}: {row['reflections']} reflections, {row['experiments']} experiments, "
        f"{row['seconds']} s"
        for row in shown
    ]
    others = [row["step"] for row in rows[len(shown) :]]
    return [*lines, f"and {', '.join(others)}"] if others else lines
