"""Branches of a store: results of other parameters, side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.storage.store import layout


def names(root: Path) -> tuple[str, ...]:
    """Return the branches that hold results, main first (it is always there), others by name."""
    found = {
        p.parent.name
        for folder in (layout.RESULTS, layout.REPLACED)
        for p in (root / folder).glob(f"*/{layout.METADATA}")
        if layout.is_safe(p.parent.name)
    }
    return (layout.MAIN, *sorted(found - {layout.MAIN}))


def delete(root: Path, branch: str) -> None:
    """Delete the results of a branch; the caller holds its lock.

    Raises
    ------
    InputError
        It is main, which others take their steps from.
    StoreNotFoundError
        There is no such branch.
    """
    if branch == layout.MAIN:
        raise InputError(f"branch {layout.MAIN} of {root} cannot be deleted; others read from it")
    if branch not in names(root):
        raise StoreNotFoundError(
            f"{root} has no branch {branch!r}; its branches are {', '.join(names(root))}"
        )
    for path in (
        layout.branch_path(root, branch),
        root / layout.REPLACED / branch,
        layout.partitions_path(root, branch),
    ):
        shutil.rmtree(path, ignore_errors=True)
