"""Cost of writing and reading frames by `ChunkCodec`, by zarr-python and by zarrs.

    python benchmarks/chunk_codecs.py [FILE.nxs] [--repeats N]

All write and read the same files: blosc (bitshuffle, lz4) and crc32c, one image in a file or ten in
a shard. Frames are 60 of FILE (by default of the first run of ../shared/data/insulin: 1060 x 1024,
uint16) and 20 drawn from a Poisson distribution (2527 x 2463, int32). One or two threads write and
read blocks of ten images, as tasks of Dask do. CPU is of the process with all its threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype

from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.store.layout import chunk_path

INSULIN = Path(__file__).parents[2] / "shared/data/insulin/run1_0.064/insulin_1.nxs"
BLOCK = 10
PIPELINES = {
    "zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "zarrs": "zarrs.ZarrsCodecPipeline",
}


@dataclass(frozen=True)
class DxdaskChunks:
    """Frames at `path`, encoded and decoded by `ChunkCodec`."""

    path: Path
    codec: ChunkCodec

    def write(self, first: int, block: NDArray[Any]) -> None:
        """Write a block of whole files."""
        step = self.codec.per_file
        for start in range(0, len(block), step):
            file = chunk_path(self.path, ((first + start) // step, 0, 0))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.codec.encode(block[start : start + step]))

    def read(self, first: int, out: NDArray[Any]) -> None:
        """Read a block of whole files."""
        step = self.codec.per_file
        for start in range(0, len(out), step):
            file = chunk_path(self.path, ((first + start) // step, 0, 0))
            for k, data in enumerate(self.codec.chunks_in_file(file, 0, step)):
                self.codec.decode(data, out[start + k : start + k + 1])


@dataclass(frozen=True)
class Zarrs:
    """The same by the codec pipeline that is configured in zarr-python."""

    array: zarr.Array[Any]

    def write(self, first: int, block: NDArray[Any]) -> None:
        """Write a block of whole files."""
        self.array[first : first + len(block)] = block

    def read(self, first: int, out: NDArray[Any]) -> None:
        """Read a block of whole files."""
        room = default_buffer_prototype().nd_buffer.from_numpy_array(out)
        self.array.get_basic_selection((slice(first, first + len(out)),), out=room)


def real_frames(file: Path, n: int) -> NDArray[Any]:
    """Return the first frames of an NXmx file."""
    with h5py.File(file) as opened:
        return np.asarray(opened["entry/data/data"][:n])


def drawn_frames(n: int) -> NDArray[Any]:
    """Return frames of some background, int32."""
    return np.random.default_rng(0).poisson(1.5, (n, 2527, 2463)).astype(np.int32)


def cost(work: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Return seconds of wall and of CPU, the least of some repeats."""
    found = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(w for w, _ in found), min(c for _, c in found)


def over_blocks(act: Callable[[int, Any], None], frames: NDArray[Any], threads: int) -> None:
    """Apply `act` to all blocks."""
    starts = range(0, len(frames), BLOCK)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda k: act(k, frames[k : k + BLOCK]), starts))


def ways(folder: Path, frames: NDArray[Any], per_file: int) -> Iterator[tuple[str, Any]]:
    """Yield the ways to write and read, one after the other configured."""
    shape = (frames.shape[0], frames.shape[1], frames.shape[2])
    codec = ChunkCodec(shape, frames.dtype.name, 1, per_file)
    for name in ("dxdask", *PIPELINES):
        if name in PIPELINES and find_spec(name) is None:
            continue
        path = folder / f"{name}_{frames.dtype}_{per_file}"
        zarr.config.set({"codec_pipeline.path": PIPELINES.get(name, PIPELINES["zarr"])})
        array = zarr.create_array(path, **codec.zarr_arguments())
        yield name, DxdaskChunks(path, codec) if name == "dxdask" else Zarrs(array)


def table(label: str, frames: NDArray[Any], repeats: int) -> None:
    """Print a table of milliseconds a frame."""
    n = len(frames)
    print(f"\n{label}: {n} frames {frames.shape[1]} x {frames.shape[2]} {frames.dtype}; ms a frame")
    head = "".join(f"{a:>12} {t} thr." for a in ("write", "read") for t in (1, 2))
    print(f"{'':28}{head}   (wall / CPU)")
    with tempfile.TemporaryDirectory() as folder:
        for per_file in (1, 10):
            for name, way in ways(Path(folder), frames, per_file):
                out = np.empty_like(frames)
                cells = []
                for act, given in ((way.write, frames), (way.read, out)):
                    for threads in (1, 2):
                        work = partial(over_blocks, act, given, threads)
                        wall, cpu = cost(work, repeats)
                        cells.append(f"{1e3 * wall / n:9.2f} /{1e3 * cpu / n:7.2f}")
                if not np.array_equal(out, frames):
                    raise RuntimeError(f"{name} does not read what it wrote")
                where = "one a file" if per_file == 1 else f"{per_file} a shard"
                print(f"{name:10}{where:18}{''.join(cells)}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=INSULIN)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    table("insulin", real_frames(given.file, 60), given.repeats)
    table("drawn", drawn_frames(20), given.repeats)


if __name__ == "__main__":
    main()
