"""Fates of images: the last state that each reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.storage.store.store import Store

NOT_PROCESSED, FAILED, BLANK = "not processed", "failed", "no spots"
SPOTS, INDEXED, INTEGRATED = "spots, none indexed", "indexed", "integrated"


def frame_rows(store: Store) -> list[dict[str, Any]]:
    """Return a row for each image of a store: run, image, fate, reason, numbers of spots.

    Images are numbered as in the tables of the steps: from 1.
    """
    stills = _rows(store, "index", "stills") or _rows(store, "hits", "events")
    if stills:
        return [_of_still(row) for row in stills]
    problems = {
        (str(row["run"]), row["image"]): str(row["reason"])
        for row in store.show()["problems"]
        if row.get("image") is not None
    }
    spots = {(str(r["run"]), int(r["image"])): r for r in _rows(store, "find_spots", "images")}
    done = {(str(r["run"]), int(r["image"])): r for r in _rows(store, "integrate", "images")}
    indexed = _indexed(store)
    rows = []
    for run in store.runs:
        first = _first_image(store, run)
        for image in range(first, first + store.frame_reader(run).shape[0]):
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


def _first_image(store: Store, run: str) -> int:
    rows = [r for r in _rows(store, "find_spots", "images") if r["run"] == run]
    return min((int(r["image"]) for r in rows), default=1)


def _indexed(store: Store) -> dict[str, dict[int, int]]:
    """Return the number of indexed spots by run and image; empty where nothing was indexed."""
    if not store.has_step("index"):
        return {}
    table: Reflections = store.columns("index", ["experiment", "z", "flags"])
    runs = np.array([e.run for e in store.experiments("index")], dtype=np.str_)
    good = has_flag(table, Flag.INDEXED)
    of_run = runs[table["experiment"][good]] if len(runs) else np.zeros(0, np.str_)
    image = np.floor(table["z"][good]).astype(np.int64) + 1
    found = {}
    for run in store.runs:
        numbers, n = np.unique(image[of_run == run], return_counts=True)
        found[run] = dict(zip(numbers.tolist(), n.tolist(), strict=True))
    return found
