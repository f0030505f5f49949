"""Numbers of frames, spots and reflections by fate, which add up to the totals."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.columns import Reflections
from dxdask.ledger.fates import Fates, reflection_fates, spot_fates
from dxdask.ledger.frames import ReadColumns, frame_rows
from dxdask.storage.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_SPOT_STEPS = ("refine", "index", "find_spots")


class RowsOfStep(NamedTuple):
    """Rows of a step: their runs, as indices (n,) of names, and their fates."""

    step: str
    names: tuple[str, ...]
    runs: NDArray[np.int64]
    fates: Fates

    def run(self, row: int) -> str:
        """Return the run of a row."""
        return self.names[int(self.runs[row])]

    def of_run(self, run: str) -> Mask:
        """Return the rows (n,) of a run."""
        if run not in self.names:
            return np.zeros(len(self.runs), dtype=np.bool_)
        return np.asarray(self.runs == self.names.index(run))


def ledger(
    store: Store | str | os.PathLike[str], *, branch: str = "main", each: str | None = None
) -> pd.DataFrame:
    """Return the fates of all frames, spots and reflections with their reasons.

    Parameters
    ----------
    store : opened, or its path. branch : of the store, if its path is given.
    each : frame, spot or reflection: a row for each of them in place of the sums.

    Returns
    -------
    DataFrame
        Sums: what (frame, spot, reflection), run, fate, reason, n; the n of a run add up to its
        number of frames, spots or reflections. Each: run, fate, reason; of frames also image,
        n_spots, n_indexed; of others also row (of the step's table) and step.

    Raises
    ------
    InputError
        `each` is none of these.

    Examples
    --------
    >>> import dxdask
    >>> table = dxdask.ledger("tiny.zarr")
    >>> int(table[table["what"] == "frame"]["n"].sum())
    42
    """
    import pandas as pd

    from dxdask.errors import InputError

    own = store if isinstance(store, Store) else Store.open(store, "r", branch)
    if each is None:
        return pd.DataFrame(sum_rows(own), columns=["what", "run", "fate", "reason", "n"])
    if each == "frame":
        columns = ["run", "image", "fate", "reason", "n_spots", "n_indexed"]
        return pd.DataFrame(frame_rows(own), columns=columns)
    if each not in ("spot", "reflection"):
        raise InputError(f"each={each!r}; give frame, spot or reflection")
    found = spots_of(own) if each == "spot" else reflections_of(own)
    if found is None:
        return pd.DataFrame(columns=["step", "run", "row", "fate", "reason"])
    names = np.array(found.fates.names, dtype=np.str_).reshape(-1, 2)
    code = found.fates.code
    return pd.DataFrame(
        {
            "step": found.step,
            "run": np.array(found.names, dtype=np.str_)[found.runs],
            "row": np.arange(len(found.runs)),
            "fate": names[code, 0],
            "reason": names[code, 1],
        }
    )


def sum_rows(store: Store, columns: ReadColumns | None = None) -> list[dict[str, Any]]:
    """Return the sums of `ledger` as rows; columns : as in `frame_rows`."""
    read = columns or store.columns
    counts = Counter((r["run"], r["fate"], r["reason"]) for r in frame_rows(store, read))
    rows = [
        {"what": "frame", "run": run, "fate": fate, "reason": reason, "n": n}
        for (run, fate, reason), n in counts.items()
    ]
    for what, found in (
        ("spot", spots_of(store, read)),
        ("reflection", reflections_of(store, read)),
    ):
        if found is None:
            continue
        fates, size = found.fates, len(found.fates.names)
        n = np.bincount(found.runs * size + fates.code, minlength=len(found.names) * size)
        rows += [
            {"what": what, "run": name, "fate": fate, "reason": reason, "n": k}
            for name, own in zip(found.names, n.reshape(-1, size).tolist(), strict=True)
            for (fate, reason), k in zip(fates.names, own, strict=True)
            if k
        ]
    return rows


def spots_of(store: Store, columns: ReadColumns | None = None) -> RowsOfStep | None:
    """Return the spots of the last step that has them."""
    step = next((s for s in _SPOT_STEPS if store.has_step(s) and _has(store, s, "flags")), None)
    if step is None:
        return None
    table = (columns or store.columns)(step, _present(store, step, ("experiment", "flags", "fate")))
    fates = spot_fates(table, indexed=step != "find_spots", refined=step == "refine")
    return _rows_of(store, step, table, fates)


def reflections_of(store: Store, columns: ReadColumns | None = None) -> RowsOfStep | None:
    """Return the predicted reflections of the last step that has them."""
    step = next(
        (s for s in ("scale", "integrate") if store.has_step(s) and _has(store, s, "flags")), None
    )
    if step is None:
        return None
    names = _present(store, step, ("experiment", "flags", "partiality", "d"))
    table = (columns or store.columns)(step, names)
    cut = None
    if step == "scale":
        given = store.step_attributes("scale").get("parameters", {})
        cut = given.get("scaling", {}).get("cut_data", {})
    fates = reflection_fates(table, cut, merged=step == "scale" and store.has_step("merge"))
    return _rows_of(store, step, table, fates)


def _has(store: Store, step: str, column: str) -> bool:
    return column in store.manifest(step).columns


def _present(store: Store, step: str, names: tuple[str, ...]) -> list[str]:
    return [n for n in names if _has(store, step, n)]


def _rows_of(store: Store, step: str, table: Reflections, fates: Fates) -> RowsOfStep:
    experiments = store.experiments(step)
    runs = np.zeros(0, dtype=np.int64)
    if len(experiments):
        runs = experiments.run_indices[table["experiment"]]
    return RowsOfStep(step, experiments.runs, runs, fates)
