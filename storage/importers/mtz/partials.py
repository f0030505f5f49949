"""Reflections recorded in parts on several images, summed to one observation each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats

_ADDED = ("I", "variance", "fraction")
_AVERAGED = ("XDET", "YDET", "ROT", "LP", "QE", "SCALEUSED")


def summed_parts(columns: dict[str, Floats], fraction: Floats) -> dict[str, Floats]:
    """Return the columns with parts of one reflection on consecutive batches added.

    columns : H, K, L as measured, BATCH, I, SIGI, `partial` (1 for a part), and MPART, whose last
        two digits number the parts, where the file has it.
    fraction : of each reflection that is recorded in this part.

    Returns
    -------
    The columns, with `variance` and `fraction`, sorted by index and batch.
    """
    table = {**columns, "variance": columns["SIGI"] ** 2, "fraction": fraction}
    order = np.lexsort((table["BATCH"], table["L"], table["K"], table["H"]))
    table = {name: values[order] for name, values in table.items()}
    first = _first_of_each(table)
    starts = np.flatnonzero(first)
    if len(starts) == len(first):
        return table
    out = {name: values[starts] for name, values in table.items()}
    weight = np.maximum(table["fraction"], 1e-6)
    total = np.add.reduceat(weight, starts)
    for name in _ADDED:
        out[name] = np.add.reduceat(table[name], starts)
    for name in _AVERAGED:
        if name in table:
            out[name] = np.add.reduceat(table[name] * weight, starts) / total
    out["SIGI"] = np.sqrt(out["variance"])
    out["unmeasured"] = np.add.reduceat((table["SIGI"] <= 0).astype(np.float64), starts)
    return out


def _first_of_each(table: dict[str, Floats]) -> NDArray[np.bool_]:
    """Return True (n,) where another reflection begins than the row before is a part of."""
    n = len(table["H"])
    first = np.ones(n, dtype=np.bool_)
    same = table["partial"][1:].astype(np.bool_) & table["partial"][:-1].astype(np.bool_)
    for name in "HKL":
        same &= table[name][1:] == table[name][:-1]
    same &= table["BATCH"][1:] == table["BATCH"][:-1] + 1
    if "MPART" in table:
        same &= table["MPART"][1:].astype(np.int64) % 100 != 1
    first[1:] = ~same
    return first
