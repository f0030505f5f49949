"""Files of any number of simulated events, made of the 53 of the shared folder.

Blanks are Poisson counts of the background that its plain blanks have in the mean, each as bright
as a shot of its own; hits are its simulated crystals on the detector as it truly is, their counts
thinned and filled up again by such background, so that none is the other. Some hundred distinct
frames are compressed once and written as often as needed, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

DATA = "entry/data/data"
PER_EVENT = ("entry/event_id", "entry/instrument/beam/incident_wavelength")
SYMMETRY = ("indexing.known_symmetry.unit_cell=79.2,79.2,38.0,90,90,90",
            "indexing.known_symmetry.space_group=P43212")  # fmt: skip
SPOTS = ("spotfinder.filter.min_spot_size=2", "spotfinder.threshold.algorithm=dispersion",
         "spotfinder.threshold.dispersion.gain=1.5",
         "spotfinder.threshold.dispersion.global_threshold=4",
         "spotfinder.threshold.dispersion.sigma_background=6",
         "spotfinder.threshold.dispersion.sigma_strong=4")  # fmt: skip
N_BLANKS, N_HITS = 100, 80
KEPT = 0.8
"""Part of the photons of a shared hit that are kept."""
BAD = -1000
"""Stands for a pixel that was not measured."""
NOISE = 0.43
"""Of the detector, standard deviation in photons."""
BRIGHTNESS_SIGMA = 0.4
ROWS = 256
"""Of a panel: background is not smoothed beyond."""


def is_hit(n: int, fraction: float) -> NDArray[np.bool_]:
    """Return the mask (n,) of the events that are hits: the fraction given, spread evenly."""
    return np.floor(np.arange(1, n + 1) * fraction) > np.floor(np.arange(n) * fraction)


class Pool:
    """Distinct frames in a file, ready to be written into others; `shared` is corrected.h5."""

    def __init__(self, shared: Path, hits: Sequence[int], blanks: Sequence[int], folder: Path):
        self._shared, self._path = shared, folder / "pool.h5"
        self._hits, rng = list(hits), np.random.default_rng(20240)
        with h5py.File(shared) as file, h5py.File(self._path, "w") as pool:
            frames = file[DATA]
            bad = frames[0] == BAD
            background = mean_background(frames[blanks], ~bad)
            out = pool.create_dataset(
                "frames", (N_BLANKS + N_HITS, *frames.shape[1:]), np.int32,
                chunks=(1, *frames.shape[1:]), **hdf5plugin.Bitshuffle(),
            )  # fmt: skip
            for i in range(N_BLANKS):
                bright = np.exp(BRIGHTNESS_SIGMA * rng.standard_normal())
                counts = rng.poisson(bright * background) + NOISE * rng.standard_normal(bad.shape)
                out[i] = np.where(bad, BAD, np.rint(counts))
            for i in range(N_HITS):
                frame = frames[self._hits[i % len(self._hits)]]
                photons = rng.binomial(np.maximum(frame, 0), KEPT) + np.minimum(frame, 0)
                counts = photons + rng.poisson((1 - KEPT) * background)
                out[N_BLANKS + i] = np.where(bad, BAD, counts)

    def write(self, path: Path, n: int, fraction: float) -> Path:
        """Write `n` events, a fraction of them hits."""
        hit = is_hit(n, fraction)
        row = np.where(hit, N_BLANKS + (np.cumsum(hit) - 1) % N_HITS,
                       (np.cumsum(~hit) - 1) % N_BLANKS)  # fmt: skip
        with h5py.File(self._shared) as like, h5py.File(path, "w") as file:
            like.copy("entry", file, name="entry", without_attrs=False)
            source = np.where(hit, np.array(self._hits)[(row - N_BLANKS) % len(self._hits)], 0)
            for name in PER_EVENT:
                values, attributes = like[name][:], dict(like[name].attrs)
                del file[name]
                file[name] = np.arange(n) if name.endswith("event_id") else values[source]
                file[name].attrs.update(attributes)
            self._write_frames(file, row)
        return path

    def _write_frames(self, file: Any, row: NDArray[np.int64]) -> None:
        attributes = dict(file[DATA].attrs)
        with h5py.File(self._path) as pool:
            frames = pool["frames"]
            del file[DATA]
            shape = frames.shape[1:]
            out = file.create_dataset(
                DATA, (len(row), *shape), np.int32, chunks=(1, *shape), **hdf5plugin.Bitshuffle()
            )
            out.attrs.update(attributes)
            for i, k in enumerate(row.tolist()):
                filters, chunk = frames.id.read_direct_chunk((k, 0, 0))
                out.id.write_direct_chunk((i, 0, 0), chunk, filters)


def mean_background(frames: NDArray[np.int32], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean counts (slow, fast) of frames, smoothed within each panel."""
    sums = np.where(good, frames.mean(axis=0), 0.0)

    def smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
        panels = image.reshape(-1, ROWS, image.shape[1])
        return np.concatenate([uniform_filter(panel, 9) for panel in panels])

    weight = smooth(good.astype(float))
    return np.maximum(smooth(sums), 0.0) / np.maximum(weight, 0.1)


def truth(folder: Path) -> dict[str, list[int]]:
    """Return the events of corrected.h5 that are hits, and those that are plain blanks."""
    with h5py.File(folder / "corrected.h5") as file:
        ids = file["entry/event_id"][:].tolist()
    events = {e["event"]: e for e in json.loads((folder / "events.json").read_text())["events"]}
    kinds = [events[k]["kind"] for k in ids]
    return {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in set(kinds)}
