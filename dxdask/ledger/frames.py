"""Fates of images: the last state that each reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.storage.store.store import Store

ReadColumns = Callable[[str, Sequence[str]], Reflections]
NOT_PROCESSED, FAILED, BLANK = "not processed", "failed", "no spots"
SPOTS, INDEXED, INTEGRATED = "spots, none indexed", "indexed", "integrated"


def frame_rows(store: Store, columns: ReadColumns | None = None) -> list[dict[str, Any]]:
    """Return a row for each image of a store: run, image, fate, reason, numbers of spots.

    Images are numbered as in the tables of the steps: from 1. columns : reads those of a step, in
    place of the store.
    """
    stills = _rows(store, "index", "stills") or _rows(store, "hits", "events")
    if stills:
        return [_of_still(row) for row in stills]
    problems = {
        (str(row["run"]), row["image"]): str(row["reason"])
        for row in store.problem_rows()
        if row.get("image") is not None
    }
    spots = {(str(r["run"]), int(r["image"])): r for r in _rows(store, "find_spots", "images")}
    firsts: dict[str, int] = {}
    for run, image in spots:
        firsts[run] = min(image, firsts.get(run, image))
    done = {(str(r["run"]), int(r["image"])): r for r in _rows(store, "integrate", "images")}
    indexed = _indexed(store, columns or store.columns)
    rows = []
    for run in store.runs:
        first = firsts.get(run, 1)
        for image in range(first, first + store.frames_shape(run)[0][0]):
            key = (run, image)
            n_spots = None if key not in spots else int(spots[key]["n_spots"])
            n_indexed = indexed.get(run, {}).get(image, 0) if indexed else None
            fate, reason = _fate(problems.get(key), n_spots, n_indexed, done.get(key), indexed)
            rows.append(
                {
                    "run": run, "image": image, "fate": fate, "reason": reason,
                    "n_spots": n_spots, "n_indexed": n_indexed,
                }
            )  # fmt: skip
    return rows


def _fate(
    problem: str | None,
    n_spots: int | None,
    n_indexed: int | None,
    done: Mapping[str, Any] | None,
    indexed: Mapping[str, Any],
) -> tuple[str, str]:
    if problem is not None:
        return FAILED, problem
    if n_spots is None:
        return NOT_PROCESSED, "find_spots has not read it"
    if done is not None and max(done.get(f"n_integrated_{k}") or 0 for k in ("sum", "prf")) > 0:
        return INTEGRATED, ""
    if n_indexed:
        return INDEXED, ""
    if n_spots == 0:
        return BLANK, "no strong spot"
    return SPOTS, "no lattice fits its spots" if indexed else "not indexed yet"


def _of_still(row: Mapping[str, Any]) -> dict[str, Any]:
    indexed = bool(row.get("indexed"))
    reason = str(row.get("reason") or "")
    hit = "hit" if row.get("hit") else "blank"
    return {
        "run": str(row["run"]),
        "image": int(row["image"]),
        "fate": INDEXED if indexed else hit,
        "reason": "" if indexed else reason,
        "n_spots": row.get("n_spots"),
        "n_indexed": row.get("n_indexed"),
    }


def _rows(store: Store, step: str, table: str) -> list[Mapping[str, Any]]:
    if not store.has_step(step):
        return []
    return next((list(t.rows) for t in store.tables(step) if t.name == table), [])


def _indexed(store: Store, columns: ReadColumns) -> dict[str, dict[int, int]]:
    """Return the number of indexed spots by run and image; empty where nothing was indexed."""
    if not store.has_step("index"):
        return {}
    table = columns("index", ["experiment", "z", "flags"])
    experiments = store.experiments("index")
    good = has_flag(table, Flag.INDEXED)
    found: dict[str, dict[int, int]] = {run: {} for run in store.runs}
    if not len(experiments) or not good.any():
        return found
    run = experiments.run_indices[table["experiment"][good]]
    image = np.floor(table["z"][good]).astype(np.int64) + 1
    low, size = int(image.min()), int(np.ptp(image)) + 1
    names = experiments.runs
    place, counts = np.unique(run * size + image - low, return_counts=True)
    for i, at, n in zip(*np.divmod(place, size), counts, strict=True):
        found.setdefault(names[i], {})[low + int(at)] = int(n)
    return found
