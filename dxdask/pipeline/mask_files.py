"""Masks and maps that steps write as .npy files, where the user is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.storage.store import masks
from dxdask.storage.store.store import Store


def write_masks(store: Store, step: str, path: Path | None) -> list[str]:
    """Write the masks that a step has made of the runs; return the names of the files.

    Raises
    ------
    StoreWriteError
        A file cannot be written.
    """
    if path is None:
        return []
    return write_maps(
        path,
        {
            run: masks.of_step(store.path, step, "mask", run, store.branch)
            for run in store.manifest(step).made_from
        },
    )


def write_maps(path: Path, made: Mapping[str, NDArray[Any]]) -> list[str]:
    """Write a map (slow, fast) of each run to `path`, or to NAME_RUN.npy each where they differ.

    Raises
    ------
    StoreWriteError
        A file cannot be written.
    """
    files = files_of_runs(path, made)
    for file, values in files.items():
        masks.write_npy(file, values)
    return [str(file) for file in files]


def files_of_runs(path: Path, made: Mapping[str, NDArray[Any]]) -> dict[Path, NDArray[Any]]:
    """Return the content of each file: `path` where all runs have the same, else NAME_RUN.npy.

    made : of each run, (slow, fast).
    """
    path = path.with_suffix(".npy") if path.suffix != ".npy" else path
    first, *others = made.values()
    if all(np.array_equal(first, other) for other in others):
        return {path: first}
    return {path.with_stem(f"{path.stem}_{run}"): values for run, values in made.items()}
