"""Numbers by image, for the plot below the picture."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag
from dxdask.storage.store.store import Store
from dxdask.view.tables import Table, Tables

COLUMNS = ("z", "flags")


def along_scan(store: Store, tables: Tables, run: str) -> Table:
    """Return numbers (image,) of a run: spots, indexed (0 without a result of that step).

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    """
    n = store.frame_reader(run).shape[0]
    first = store.run_experiment(run).first_image - 1
    found = {}
    for name, steps in (("spots", ("find_spots", "index")), ("indexed", ("refine", "index"))):
        counts = np.zeros(n, np.int64)
        for step in steps:
            table = tables.columns(store, step, run, COLUMNS)
            if table is None or "z" not in table:
                continue
            image = np.floor(table["z"]).astype(np.int64) - first
            good = (image >= 0) & (image < n)
            if name == "indexed":
                good &= (table["flags"] & np.uint32(Flag.INDEXED)) != 0
            counts = np.bincount(image[good], minlength=n)
            break
        found[name] = counts.astype(np.int32)
    return found
