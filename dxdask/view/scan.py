"""Numbers by image, for the plot below the picture, and fates of stills."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag
from dxdask.fate import Fate
from dxdask.storage.store.store import Store
from dxdask.view.tables import Table, Tables

COLUMNS = ("z", "flags")
INTEGRATED = (
    "z", "z_cal", "flags", "background_mean", "intensity_sum", "intensity_sum_variance",
    "intensity_prf", "intensity_prf_variance",
)  # fmt: skip
STILLS = ("image", "event_id", "hit", "indexed", "reason")
STILL_STEPS = ("integrate", "index", "hits")
NOT_PROCESSED = 255


def along_scan(store: Store, tables: Tables, run: str) -> tuple[Table, dict[str, Any]]:
    """Return numbers by image of a run, and values.

    Returns
    -------
    arrays
        spots, indexed, integrated (image,), 0 without a result of that step; intensity,
        i_over_sigma, background (image,), means of integrated reflections centred on the image,
        fitted intensities where there are, NaN without any, in photons; of stills fate (image,), a
        `Fate` or 255, and event_id (image,).
    values
        fates : the words of each `Fate` by its number; empty of sweeps.

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    """
    n = store.frame_reader(run).shape[0]
    first = store.run_experiment(run).first_image - 1
    found: Table = {}
    for name, steps in (("spots", ("find_spots", "index")), ("indexed", ("refine", "index"))):
        counts: NDArray[Any] = np.zeros(n, np.int64)
        for step in steps:
            table = tables.columns(store, step, run, COLUMNS)
            if table is None or "z" not in table:
                continue
            good = np.ones(len(table["z"]), np.bool_)
            if name == "indexed":
                good = (table["flags"] & np.uint32(Flag.INDEXED)) != 0
            counts = _counts(table["z"][good], first, n)
            break
        found[name] = counts.astype(np.int32)
    found |= _integrated(store, tables, run, first, n)
    stills = _stills(store, tables, run, n)
    words = {str(int(f)): f.words for f in Fate} if stills else {}
    return found | stills, {"fates": words}


def _counts(z: NDArray[Any], first: int, n: int, weights: Floats | None = None) -> NDArray[Any]:
    """Return the number of each image, or the sum of weights."""
    image = np.floor(z).astype(np.int64) - first
    good = (image >= 0) & (image < n)
    return np.bincount(image[good], None if weights is None else weights[good], minlength=n)


def _integrated(store: Store, tables: Tables, run: str, first: int, n: int) -> Table:
    table = tables.columns(store, "integrate", run, INTEGRATED)
    none = np.full(n, np.nan, np.float32)
    if table is None or not {"flags", "intensity_sum"} <= table.keys():
        means = {"intensity": none, "i_over_sigma": none, "background": none}
        return {"integrated": np.zeros(n, np.int32), **means}
    kind = "prf" if "intensity_prf" in table else "sum"
    flag = Flag.INTEGRATED_PRF if kind == "prf" else Flag.INTEGRATED_SUM
    at = table["z_cal"] if "z_cal" in table else table["z"]
    variance = table[f"intensity_{kind}_variance"]
    good = (table["flags"] & np.uint32(flag)) != 0
    good &= np.isfinite(at) & (variance > 0) & np.isfinite(table["background_mean"])
    at, number = at[good], _counts(at[good], first, n)
    intensity = table[f"intensity_{kind}"][good]
    values = {
        "intensity": intensity,
        "i_over_sigma": intensity / np.sqrt(variance[good]),
        "background": table["background_mean"][good],
    }
    found: Table = {"integrated": number.astype(np.int32)}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, value in values.items():
            found[name] = (_counts(at, first, n, value) / number).astype(np.float32)
    return found


def _stills(store: Store, tables: Tables, run: str, n: int) -> Table:
    for step in STILL_STEPS:
        table = tables.arrays(store, step, run, STILLS)
        if "reason" in table and "image" in table:
            break
    else:
        return {}
    fate, event = np.full(n, NOT_PROCESSED, np.uint8), np.full(n, -1, np.int32)
    good = (table["image"] >= 0) & (table["image"] < n)
    fate[table["image"][good]] = table["reason"][good]
    if "event_id" in table:
        event[table["image"][good]] = table["event_id"][good]
    return {"fate": fate, "event_id": event}
