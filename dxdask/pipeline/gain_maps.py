"""Gain maps of runs, from the gains that estimate_gain found."""

from __future__ import annotations

import numpy as np

from dxdask.analysis.bad_pixel_groups import groups_of_runs
from dxdask.analysis.gain import gain_map
from dxdask.arrays import Floats
from dxdask.storage.store.store import Store


def gain_maps(store: Store) -> dict[str, Floats]:
    """Return counts per photon (slow, fast) of each run, as `estimate_gain` found them.

    Runs of one detector have one map: of each panel the median over the runs.
    """
    result = store.read_step("estimate_gain")
    runs = {run["run"]: run["gain"] for run in result.table("runs").rows}
    rows = result.table("panels").rows
    of_panels = [
        # a panel without a gain of its own has that of its run
        [gain if row["gain"] is None else row["gain"] for row in rows if row["run"] == run]
        for run, gain in runs.items()
    ]
    experiments = [next(e for e in result.experiments if e.run == run) for run in runs]
    shapes = [store.imported_mask(run).shape for run in runs]
    names = list(runs)
    maps: dict[str, Floats] = {}
    for group in groups_of_runs(experiments, shapes):
        gains = np.median([of_panels[i] for i in group], axis=0)
        shape = (shapes[group[0]][0], shapes[group[0]][1])
        made = gain_map(experiments[group[0]].detector, gains.tolist(), shape)
        maps |= dict.fromkeys((names[i] for i in group), made)
    return {name: maps[name] for name in names}
