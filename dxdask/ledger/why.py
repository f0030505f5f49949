"""What became of a frame, of a spot, or of all observations of a Miller index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dxdask.errors import InputError
from dxdask.ledger.frames import frame_rows
from dxdask.ledger.observations import observation_rows
from dxdask.ledger.sums import reflections_of, spots_of
from dxdask.storage.store.store import Store
from dxdask.tables import Table, shortened


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Lines and tables on what became of something; prints as text."""

    lines: Sequence[str] = field(default=())
    tables: Sequence[Table] = field(default=())

    def __str__(self) -> str:
        return "\n\n".join(["\n".join(self.lines), *(str(t) for t in self.tables if t.rows)])

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"lines": list(self.lines), "tables": [t.to_dict() for t in self.tables]}


def why(
    store: Store | str | os.PathLike[str],
    run: str | None = None,
    image: int | None = None,
    *,
    hkl: Sequence[int] | None = None,
    spot: int | None = None,
    branch: str = "main",
) -> Explanation:
    """Return what became of a frame, a spot, or the observations of a Miller index.

    Parameters
    ----------
    store : opened, or its path. branch : of the store, if its path is given.
    run, image : of a frame, numbered as in the tables of the steps.
    hkl : a Miller index; its equivalents by symmetry are included.
    spot : row of the spots of all runs, from 0, as in `ledger(store, each="spot")`.

    Raises
    ------
    InputError
        Nothing, or something that the store does not have, is given.

    Examples
    --------
    >>> import dxdask
    >>> print(dxdask.why("tiny.zarr", "tiny_1", 3).lines[0])
    image 3 of tiny_1: integrated
    """
    own = store if isinstance(store, Store) else Store.open(store, "r", branch)
    if sum((hkl is not None, spot is not None, image is not None)) != 1:
        raise InputError("give a run and an image, or hkl=H,K,L, or spot=ROW")
    if hkl is not None:
        lines, tables = observation_rows(own, hkl, run)
        return Explanation(lines=lines, tables=tables)
    if spot is not None:
        return _spot(own, spot)
    if run is None:
        raise InputError(f"give the run of image {image}; the runs are {_runs(own)}")
    return _frame(own, run, int(image or 0))


def _runs(store: Store) -> str:
    return shortened(list(store.runs))


def _frame(store: Store, run: str, image: int) -> Explanation:
    if run not in store.runs:
        raise InputError(f"{store.path} has no run {run!r}; the runs are {_runs(store)}")
    rows = [row for row in frame_rows(store) if row["run"] == run]
    row = next((r for r in rows if r["image"] == image), None)
    if row is None:
        first, last = (f(r["image"] for r in rows) for f in (min, max))
        raise InputError(f"{run} has no image {image}; its images are {first} to {last}")
    reason = f": {row['reason']}" if row["reason"] else ""
    lines = [f"image {image} of {run}: {row['fate']}{reason}"]
    lines += [
        f"{p['step']}: {p['reason']}"
        for p in store.show()["problems"]
        if p.get("run") == run and p.get("image") == image
    ]
    tables = []
    for what, found, column in (
        ("spots", spots_of(store), "z"),
        ("reflections", reflections_of(store), "z_cal"),
    ):
        if found is None:
            continue
        step, fates = found.step, found.fates
        there = store.manifest(step).columns
        z = store.columns(step, [column if column in there else "z"])
        mine = found.of_run(run) & (np.floor(next(iter(z.values()))).astype(np.int64) + 1 == image)
        own = np.flatnonzero(mine)
        codes, first, counts = np.unique(fates.code[own], return_index=True, return_counts=True)
        rows_of = [
            {
                "fate": fates.names[code][0],
                "reason": fates.names[code][1],
                "n": n,
                "row": int(own[i]),
            }
            for code, i, n in zip(codes.tolist(), first.tolist(), counts.tolist(), strict=True)
        ]
        title = f"Fates of its {int(mine.sum())} {what} (centroid on the image), by {step}"
        tables.append(
            Table(name=what, title=title, rows=rows_of, headings={"row": ("first\nrow", "d")})
        )
    for step in ("find_spots", "integrate"):
        tables += _own_rows(store, step, run, image)
    return Explanation(lines=lines, tables=tables)


def _own_rows(store: Store, step: str, run: str, image: int) -> list[Table]:
    if not store.has_step(step):
        return []
    found = []
    for table in store.tables(step):
        rows = [r for r in table.rows if r.get("run") == run and r.get("image") == image]
        if table.name == "images" and rows:
            kept = [{"quantity": k, "value": v} for k, v in rows[0].items() if k not in _IDS]
            found.append(Table(name=step, title=f"{step} of this image", rows=kept))
    return found


_IDS = ("run", "image")


def _spot(store: Store, row: int) -> Explanation:
    found = spots_of(store)
    if found is None:
        raise InputError(f"{store.path} has no spots; run: dxdask find_spots {store.path}")
    step = found.step
    if not 0 <= row < len(found.runs):
        raise InputError(f"there is no spot {row}; the rows are 0 to {len(found.runs) - 1}")
    fate, reason = found.fates.of(row)
    lines = [f"spot {row} of {found.run(row)}: {fate}{f': {reason}' if reason else ''}, by {step}"]
    wanted = (
        "panel", "x", "y", "z", "n_pixels", "peak", "intensity_sum", "hkl", "x_cal", "y_cal",
        "z_cal", "d",
    )  # fmt: skip
    names = [n for n in wanted if n in store.manifest(step).columns]
    table = store.columns(step, names)
    values = [
        {"quantity": n, "value": np.round(table[n][row].astype(float), 4).tolist()} for n in names
    ]
    return Explanation(lines=lines, tables=[Table(name="spot", title="The spot", rows=values)])
