"""Files that a step writes beside its result in the store: masks and maps, where the user is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.analysis.bad_pixel_groups import groups_of_runs
from dxdask.analysis.gain import gain_map
from dxdask.pipeline.parameters import StepParameters
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store


def write_files(store: Store, name: str, parameters: StepParameters) -> None:
    """Write the files that the parameters of a step ask for, from its result in the store.

    Raises
    ------
    StoreWriteError
        A file cannot be written.
    """
    path: Path | None = None
    made: Mapping[str, NDArray[Any]] = {}
    if name in ("generate_mask", "find_bad_pixels"):
        path = getattr(parameters, name).output.mask
        made = {run: masks.of_step(store.path, name, "mask", run) for run in store.runs if path}
    elif name == "estimate_gain":
        path = parameters.estimate_gain.output.gain_map
        made = gain_maps(store) if path else {}
    if path is not None:
        for file, values in files_of_runs(path, made).items():
            masks.write_npy(file, values)


def files_of_runs(path: Path, made: Mapping[str, NDArray[Any]]) -> dict[Path, NDArray[Any]]:
    """Return what goes into which file: `path` where all runs have the same, else NAME_RUN.npy.

    made : of each run, (slow, fast).
    """
    path = path.with_suffix(".npy") if path.suffix != ".npy" else path
    first, *others = made.values()
    if all(np.array_equal(first, other) for other in others):
        return {path: first}
    return {path.with_stem(f"{path.stem}_{run}"): values for run, values in made.items()}


def gain_maps(store: Store) -> dict[str, NDArray[np.float64]]:
    """Return counts per photon (slow, fast) for each run, as `estimate_gain` found them.

    Runs of one detector have one map: of each panel the median over the runs.
    """
    result = store.read_step("estimate_gain")
    runs = {run["run"]: run["gain"] for run in result.table("runs").rows}
    rows = result.table("panels").rows
    of_panels = [
        # a panel that tells none of its own has that of its run
        [gain if row["gain"] is None else row["gain"] for row in rows if row["run"] == run]
        for run, gain in runs.items()
    ]
    experiments = [next(e for e in result.experiments if e.run == run) for run in runs]
    shapes = [store.imported_mask(run).shape for run in runs]
    names = list(runs)
    maps: dict[str, NDArray[np.float64]] = {}
    for group in groups_of_runs(experiments, shapes):
        gains = np.median([of_panels[i] for i in group], axis=0)
        shape = (shapes[group[0]][0], shapes[group[0]][1])
        made = gain_map(experiments[group[0]].detector, gains.tolist(), shape)
        maps |= dict.fromkeys((names[i] for i in group), made)
    return {name: maps[name] for name in names}
