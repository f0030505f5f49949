"""CrystFEL geometries and raw events, as small as they can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.storage.importers import ImportParameters, RunSource, read_runs

N, SLOW, FAST = 4, 8, 6
"""Events, and the rows and columns of their frames."""

HEAD = {
    "photon_energy": "9500 eV", "clen": "100 mm", "res": "10000", "adu_per_photon": "1",
    "data": "/data/data", "dim0": "%", "dim1": "ss", "dim2": "fs",
}  # fmt: skip
PANELS = {
    name: {
        "min_fs": "0", "max_fs": f"{FAST - 1}", "min_ss": f"{4 * i}", "max_ss": f"{4 * i + 3}",
        "corner_x": "-3", "corner_y": f"{4 * i - 4}",
    }
    for i, name in enumerate(("p0", "p1"))
}  # fmt: skip

Changes = Mapping[str, str | None]


def geometry(folder: Path, head: Changes | None = None, after: str = "", **panels: Changes) -> Path:
    """Write a geometry: HEAD with `head` and PANELS with `panels` (None leaves a key out)."""
    lines = [f"{k} = {v}" for k, v in {**HEAD, **(head or {})}.items() if v is not None]
    for name, own in PANELS.items():
        given = {**own, **panels.get(name, {})}
        lines += [f"{name}/{k} = {v}" for k, v in given.items() if v is not None]
    path = folder / "g.geom"
    path.write_text("\n".join([*lines, after]) + "\n", encoding="utf-8")
    return path


def counts(dtype: Any = np.uint16) -> NDArray[Any]:
    """Return frames (N, SLOW, FAST) whose counts all differ."""
    return np.arange(N * SLOW * FAST, dtype=dtype).reshape(N, SLOW, FAST)


def events(folder: Path, frames: NDArray[Any] | None = None, **datasets: Any) -> Path:
    """Write frames to /data/data, and datasets whose names have "__" for "/"."""
    path = folder / "run.h5"
    with h5py.File(path, "w") as file:
        file["data/data"] = counts() if frames is None else frames
        for name, value in datasets.items():
            file[name.replace("__", "/")] = value
    return path


def run_of(path: Path, geom: Path, **parameters: Any) -> RunSource:
    """Return the run of a file with a geometry."""
    given = {"input": {"reference_geometry": geom}, **parameters}
    return read_runs([path], ImportParameters.model_validate(given))[0]
