"""A selection of an ensemble as curves and tables for the page, from `dxdask.explore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dxdask.errors import DxdaskError, InputError, plain
from dxdask.report.exploration.explore import Exploration, explore
from dxdask.report.exploration.tables import names_of_modules
from dxdask.storage.store.store import Store
from dxdask.view.tables import Table

if TYPE_CHECKING:
    import pandas as pd

MOST_PAIRS = 20_000
N_BINS = 16
SEED = 0
Curves = dict[str, Any]


def exploration(
    store: Store,
    runs: Sequence[str],
    modules: Sequence[int],
    images: tuple[int, int] | None,
) -> tuple[Table, dict[str, Any]]:
    """Return curves and values of a selection.

    runs, modules : names and indices; none of them: all. images : first and last number.

    Returns
    -------
    arrays
        PLOT.K.x and PLOT.K.y (n,) of the K-th run chosen, of the plots `pixels`, `intensities`,
        `pairs`, of which at most `MOST_PAIRS` are sent, and `ratios`; pairs.K.image (n,).
    values
        chosen, runs, modules : names of the runs chosen, of all runs, and of all modules; n_pairs :
        of the pairs; tables : title and rows of ratios and masks; lines : what cannot be shown, and
        why.

    Raises
    ------
    InputError
        There is no such run or module, the images are in the wrong order, or nothing is integrated.
    """
    found = explore(store, runs=runs or None, modules=modules or None, images=images)
    names, lines = names_of_modules(store), list[str]()
    arrays: Table = {}
    for name, make in CURVES.items():
        _add(arrays, lines, found, name, make)
    n_pairs = _add_pairs(arrays, lines, found)
    tables = []
    made: tuple[tuple[str, Callable[[], pd.DataFrame]], ...] = (
        ("Ratios", found.ratios), ("Masked pixels", found.masks),
    )  # fmt: skip
    for title, table in made:
        try:
            rows = table().to_dict("records")
        except DxdaskError:  # said by the plot of the same
            continue
        tables.append({"title": title, "rows": [_finite(row) for row in rows]})
    return arrays, {
        "chosen": list(found.runs), "runs": list(store.runs), "modules": names,
        "n_pairs": n_pairs, "tables": tables, "lines": list(dict.fromkeys(lines)),
    }  # fmt: skip


def numbers_of(texts: Sequence[str], name: str) -> list[int]:
    """Return whole numbers from their texts.

    Raises
    ------
    InputError
        One of them is no whole number.
    """
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise InputError(f"{name}={','.join(texts)}: give whole numbers") from None


def _add(
    arrays: Table,
    lines: list[str],
    found: Exploration,
    name: str,
    make: Callable[[Exploration], Curves],
) -> None:
    """Add the curves that a function makes, or the reason that there are none."""
    try:
        curves = make(found)
    except DxdaskError as error:
        lines.append(plain(error))
        return
    for k, run in enumerate(found.runs):
        if run in curves:
            x, y = curves[run]
            arrays |= {f"{name}.{k}.x": _sent(x), f"{name}.{k}.y": _sent(y)}


def _sent(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _pixels(found: Exploration) -> Curves:
    table = found.pixels()
    sums = table.groupby(["run", "value"], sort=True)["n"].sum().reset_index()
    return {str(run): (own["value"], own["n"]) for run, own in sums.groupby("run", sort=False)}


def _intensities(found: Exploration) -> Curves:
    table = found.intensities()
    sums = table.groupby(["run", "low", "high"], sort=True)["n"].sum().reset_index()
    return {
        str(run): (np.sqrt(own["low"] * own["high"]), own["n"])
        for run, own in sums.groupby("run", sort=False)
    }


def _ratios(found: Exploration) -> Curves:
    table = found.ratios(by=["run"], n_bins=N_BINS)
    return {
        str(run): (own["reference"], own["relative"])
        for run, own in table.groupby("run", sort=False)
    }


CURVES = {"pixels": _pixels, "intensities": _intensities, "ratios": _ratios}
"""What makes the curves of each plot."""


def _add_pairs(arrays: Table, lines: list[str], found: Exploration) -> int:
    """Add an even sample of the pairs; return the number of all."""
    try:
        table = found.pairs()
    except DxdaskError as error:
        lines.append(plain(error))
        return 0
    rows = np.sort(np.random.default_rng(SEED).permutation(len(table))[:MOST_PAIRS])
    some = table.iloc[rows]
    for k, run in enumerate(found.runs):
        own = some[some["run"] == run]
        if len(own):
            arrays |= {
                f"pairs.{k}.x": _sent(own["reference"]), f"pairs.{k}.y": _sent(own["intensity"]),
                f"pairs.{k}.image": own["image"].to_numpy(np.int32),
            }  # fmt: skip
    return len(table)


def _finite(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row as JSON: no NaN."""
    return {
        str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()
    }
