"""The history of a store: an entry for each time that a step was run, on any branch."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from dxdask.storage.store import branches, create, layout, read

_LEFT_OUT = ("columns", "arrays", "ensemble")


def record(root: Path, branch: str, step: str) -> None:
    """Enter the present version of a step on a branch, if it is not in the history yet."""
    path = read.own_step(root, step, branch)
    if path is None:
        return
    found = read.attributes(path)
    history = root / layout.HISTORY
    entries = sorted(p.name for p in history.iterdir() if p.is_dir())
    mine = f"_{branch}_{step}_{found['id'][:8]}"
    if any(e.endswith(mine) for e in entries):
        return
    number = 1 + max((int(e.split("_")[0]) for e in entries), default=0)
    staged = layout.staging_path(root, branch) / f"history-{found['id']}"
    shutil.rmtree(staged, ignore_errors=True)
    create.parents(root, staged)
    create.group(staged, _entry(path, found))
    os.rename(staged, history / f"{number:05d}{mine}")


def entries(root: Path) -> tuple[dict[str, Any], ...]:
    """Return an entry for each time a step was run; `current` marks the present result."""
    folders = sorted((root / layout.HISTORY).glob(f"*/{layout.METADATA}"))
    found = {a["id"]: a for a in (read.attributes(p.parent) for p in folders)}
    current = set()
    for branch in branches.names(root):
        for step in read.step_names(root, branch):
            path = read.own_step(root, step, branch)
            if path is None:
                continue
            attributes = read.attributes(path)
            current.add(attributes["id"])
            if attributes["id"] not in found:
                found[attributes["id"]] = _entry(path, attributes)
    ordered = sorted(found.values(), key=lambda entry: str(entry["created"]))
    return tuple({**entry, "current": entry["id"] in current} for entry in ordered)


def _entry(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a version of a step, with its tables."""
    content = {k: v for k, v in attributes.items() if k not in _LEFT_OUT}
    content["runs"] = {run: entry["fingerprint"] for run, entry in attributes["runs"].items()}
    return {**content, "tables": read.shown_tables(path)}
