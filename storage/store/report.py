"""What a store shows of itself: steps and tables as data, history, and a page for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
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


def _problems(run: Mapping[str, Any]) -> list[Any]:
    return list(run.get("problems", ()))


def _attributes_and_report(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return read.attributes(path), read.report(path)


def run_rows(runs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return a row for each run: name, images, frame, dtype, transmission, frames."""
    return [
        {
            "run": name,
            "images": shape[0],
            "frame": f"{shape[1]} x {shape[2]}",
            "dtype": dtype,
            "transmission": transmission,
            "frames": f"linked to {linked}" if linked else "copied",
        }
        for name, (shape, dtype, transmission, linked) in runs.items()
    ]


def step_rows(present: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each step: name, reflections, experiments, when, seconds."""
    return [
        {
            "step": name,
            "reflections": a["n_reflections"],
            "experiments": a["n_experiments"],
            "at": str(a["created"])[:19].replace("T", " "),
            "seconds": round(float(sum(a["seconds"].values())), 1),
        }
        for name, a in present.items()
    ]


def as_text(title: str, groups: Iterable[tuple[str, list[dict[str, Any]]]]) -> str:
    """Return a title and groups of rows as lines of text."""
    lines = [title]
    for name, rows in groups:
        lines.append(f"  {name}: {len(rows) or 'none'}")
        lines += ["    " + ", ".join(f"{k} {v}" for k, v in row.items()) for row in rows]
    return "\n".join(lines)


def as_html(title: str, groups: Iterable[tuple[str, list[dict[str, Any]]]]) -> str:
    """Return a title and groups of rows as tables for a notebook; every text is escaped."""
    parts = [f"<div><strong>{html.escape(title)}</strong>"]
    for name, rows in groups:
        if not rows:
            parts.append(f"<p>{html.escape(name)}: none</p>")
            continue
        head = "".join(f"<th>{html.escape(k)}</th>" for k in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row.values()) + "</tr>"
            for row in rows
        )
        parts.append(f"<table><caption>{html.escape(name)}</caption><tr>{head}</tr>{body}</table>")
    return "".join([*parts, "</div>"])
