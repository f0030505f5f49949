"""Runs of painted stills in files, as a facility writes them, and the same raw with a dark run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from support.made_up_stills import CELL, SIZE, panels
from support.painted_stills import WAVELENGTH, painted

from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline.api import quiet
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline.stills.process import stills_process
from dxdask.storage.store.store import Store

SHAPE = (4 * SIZE[1], SIZE[0])
KNOWN: dict[str, Any] = {
    "indexing.known_symmetry.unit_cell": CELL,
    "indexing.known_symmetry.space_group": "P43212",
}
SPOTS: dict[str, Any] = {
    "spotfinder.threshold.algorithm": "dispersion",
    "spotfinder.threshold.dispersion.global_threshold": 4,
    "spotfinder.filter.min_spot_size": 2,
    "cluster.kind": "synchronous",
}
GAIN, PEDESTAL = 8.0, 500
STEPS = ("find_spots", "hits", "index", "integrate", "merge")


@dataclass(frozen=True)
class Events:
    """Events of a run: photons (n, slow, fast), which hold a crystal, and its A (n, 3, 3)."""

    photons: NDArray[np.int32]
    is_hit: NDArray[np.bool_]
    a_matrix: NDArray[np.float64]


def events(pattern: str = ".x.xx.xx", seed: int = 0) -> Events:
    """Return events, an "x" of a crystal and a "." without."""
    frames, a_matrices = [], []
    for i, letter in enumerate(pattern):
        if letter == "x":
            shot = painted(seed + i)
            frames.append(shot.frame)
            a_matrices.append(shot.a_matrix)
        else:
            frames.append(np.random.default_rng(seed + i).poisson(1.0, SHAPE).astype(np.int32))
            a_matrices.append(np.full((3, 3), np.nan))
    return Events(np.stack(frames), np.array([c == "x" for c in pattern]), np.array(a_matrices))


def geometry(**changes: Any) -> str:
    """Return the models of the painted stills as JSON."""
    values = {
        "pixel_size_mm": 0.1,
        "image_size_fast_slow": list(SIZE),
        "panels": [
            {
                "name": p.name, "origin": list(p.origin), "fast": list(p.fast_axis),
                "slow": list(p.slow_axis), "data_origin_slow_fast": [p.offset[1], 0],
            }
            for p in panels().panels
        ],
    }  # fmt: skip
    return json.dumps(values | changes)


def write_run(path: Path, frames: NDArray[Any], first: int = 100, **datasets: Any) -> Path:
    """Write events with their numbers, counted from `first`, wavelengths and geometry."""
    n = len(frames)
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.create_dataset("data/data", data=frames, chunks=(1, *SHAPE), compression="gzip")
        given = {
            "event_id": np.arange(first, first + n),
            "incident_wavelength": np.full(n, WAVELENGTH),
            "geometry_json": geometry(),
            **datasets,
        }
        for name, values in given.items():
            if values is not None:
                entry[name] = values
    return path


def write_raw(folder: Path, photons: NDArray[np.int32]) -> tuple[Path, Path]:
    """Write these photons as a raw run: pedestal, noise, gain, an offset a panel; and a dark."""
    rng = np.random.default_rng(99)
    pedestal = PEDESTAL + rng.normal(0, 20, SHAPE)

    def recorded(signal: NDArray[Any]) -> NDArray[np.uint16]:
        n = len(signal)
        offset = np.repeat(rng.normal(0, 4, (n, 4)), SIZE[1], axis=1)[:, :, None]
        values = pedestal + GAIN * signal + offset + rng.normal(0, 1.0, (n, *SHAPE))
        return np.clip(np.rint(values), 0, 65535).astype(np.uint16)

    raw = write_run(folder / "raw.h5", recorded(photons))
    dark = write_run(folder / "dark.h5", recorded(np.zeros((8, *SHAPE))))
    return raw, dark


def assert_same_tables(left: Store, right: Store, steps: tuple[str, ...] = STEPS) -> None:
    """Check that two stores hold the same results of stills, bit for bit."""
    for step in steps:
        a, b = left.read_step(step), right.read_step(step)
        for one, other in ((a.reflections, b.reflections), (a.arrays, b.arrays)):
            assert list(one) == list(other), (step, list(one), list(other))
            for name in one:
                assert one[name].dtype == other[name].dtype, (step, name)
                np.testing.assert_array_equal(one[name], other[name], err_msg=f"{step}.{name}")
        for one, other in zip(a.tables, b.tables, strict=True):
            assert one.to_dict() == other.to_dict(), (step, one.to_dict(), other.to_dict())
        assert a.messages == b.messages
        assert a.problems == b.problems
        assert a.experiments.to_dict() == b.experiments.to_dict()


def stills(paths: Any, output: Path | None, **changes: Any) -> Store:
    """Process files, or a store, with the cell given unless `changes` take it away."""
    given = {k: v for k, v in {**SPOTS, **KNOWN, **changes}.items() if v is not None}
    parameters = with_assignments(StillsProcessParameters(), flatten(given))
    return stills_process([paths] if isinstance(paths, Path) else paths, output, parameters, quiet)


def ids(store: Store) -> dict[str, str]:
    """Return the identity of each step's result, new with each computation."""
    return {step: store.step_attributes(step)["id"] for step in STEPS}


def damaged(path: Path, event: int) -> Path:
    """Damage the frame of one event, (counted from 0) in its file."""
    with h5py.File(path, "r+") as file:
        file["entry/data/data"].id.write_direct_chunk((event, 0, 0), b"no gzip at all")
    return path
