"""Small raw files whose frames lie in all the ways that can be linked."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray
from support.raw_examples import write_cbf, write_nxmx, write_smv

SHAPE = (5, 12, 16)
# How the dataset of frames is made: (n, slow, fast), or in two modules one below the other.
LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "contiguous": {},
    "plain chunks": {"chunks": (1, 12, 16)},
    "bitshuffle": {"chunks": (1, 12, 16), **hdf5plugin.Bitshuffle()},
    "zstd": {"chunks": (1, 12, 16), **hdf5plugin.Bitshuffle(cname="zstd")},
    "deflate": {"chunks": (1, 12, 16), "compression": "gzip", "shuffle": True},
    "several frames a chunk": {"chunks": (2, 12, 16), **hdf5plugin.LZ4()},
    "parts of a frame": {"chunks": (1, 5, 7), **hdf5plugin.Bitshuffle()},
    "parts of several frames": {"chunks": (3, 7, 16), "compression": "gzip"},
    "modules": {"shape": (5, 2, 6, 16), "chunks": (1, 1, 6, 16), **hdf5plugin.Bitshuffle()},
    "all modules": {"shape": (5, 2, 6, 16), "chunks": (2, 2, 6, 16), **hdf5plugin.Bitshuffle()},
    "parts of modules": {"shape": (5, 2, 6, 16), "chunks": (1, 1, 3, 16), "compression": "gzip"},
    "big-endian": {"chunks": (1, 12, 16), "dtype": ">u2", **hdf5plugin.Bitshuffle()},
}


def counts(shape: tuple[int, ...] = SHAPE, dtype: str = "u2", seed: int = 0) -> NDArray[Any]:
    """Return counts of some background."""
    return np.random.default_rng(seed).poisson(4.0, shape).astype(dtype)


def write_hdf5(path: Path, layout: str, frames: NDArray[Any]) -> Path:
    """Write frames as NXmx in one of `LAYOUTS`."""
    write_nxmx(path, frames)
    given = dict(LAYOUTS[layout])
    shape, dtype = given.pop("shape", frames.shape), given.pop("dtype", frames.dtype)
    with h5py.File(path, "r+") as file:
        del file["entry/data/data"]
        values = frames.reshape(shape).astype(dtype)
        file["entry/data"].create_dataset("data", data=values, **given)
    return path


def write_virtual(folder: Path, frames: NDArray[Any]) -> Path:
    """Write frames into two files, and a master whose dataset is made of them."""
    master = write_nxmx(folder / "run_master.h5", frames)
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    for number, chosen in enumerate((slice(0, 3), slice(3, len(frames)))):
        part = np.concatenate([np.zeros_like(frames[:1]), frames[chosen]])
        with h5py.File(folder / f"run_data_00000{number}.h5", "w") as file:
            file.create_dataset(
                "data", data=part, chunks=(1, *frames.shape[1:]), **hdf5plugin.LZ4()
            )
        source = h5py.VirtualSource(f"run_data_00000{number}.h5", "data", part.shape)
        layout[chosen] = source[1:]
    with h5py.File(master, "r+") as file:
        del file["entry/data/data"]
        file["entry/data"].create_virtual_dataset("data", layout)
    return master


def write_images(folder: Path, kind: str, frames: NDArray[Any]) -> list[Path]:
    """Write frames as "cbf", "smv" (also "big"-endian) or "cbf.gz", "smv.bz2", "mixed"."""
    paths = []
    for i, frame in enumerate(frames):
        if "cbf" in kind or kind == "mixed":
            path = folder / f"image_{i + 1:04d}.cbf"
            write_cbf(path, frame.astype("i4"), Start_angle=f"{0.5 * i} deg.")
        else:
            path = folder / f"image_{i + 1:04d}.img"
            order = "big_endian" if kind == "big" else "little_endian"
            write_smv(path, frame, OSC_START=float(i), BYTE_ORDER=order)
        if kind.endswith(("gz", "bz2")) or (kind == "mixed" and i == 2):
            how = bz2 if kind.endswith("bz2") else gzip
            packed = path.with_name(f"{path.name}.{'bz2' if how is bz2 else 'gz'}")
            packed.write_bytes(how.compress(path.read_bytes()))
            path.unlink()
            path = packed
        paths.append(path)
    return paths
