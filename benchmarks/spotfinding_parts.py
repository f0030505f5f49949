"""One measured part of spot finding, in a process of its own so that its peak memory is right.

    python benchmarks/spotfinding_parts.py read|kernels|save|graph|machine STORE [OPTIONS]

The last line that is printed is the result, as JSON. CPU is of the thread or process; the least of
several repeats counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from measure import peak
from numpy.typing import NDArray

import dxdask
from dxdask.cluster.client import open_cluster
from dxdask.cluster.parameters import ClusterParameters
from dxdask.graphs import spots as spots_graph
from dxdask.pipeline.frames import stored
from dxdask.pipeline.memory import frame_task_bytes
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.thresholds import threshold_of
from dxdask.storage.store.store import Store


def read(store: Store, repeats: int, **_: Any) -> dict[str, Any]:
    """Return CPU seconds a frame of reading and decompressing, block after block."""
    passes, n_frames = [], 0
    for _repeat in range(repeats + 1):
        start, n_frames = time.thread_time(), 0
        for run in store.runs:
            reader = store.frame_reader(run)
            first = 0
            for n in stored(store, run).array().chunks[0]:
                n_frames += len(reader.read(first, first + n))
                first += n
        passes.append(time.thread_time() - start)
    return {"cpu": min(passes) / n_frames, "frames": n_frames}


def sample(store: Store, n: int) -> list[tuple[str, int]]:
    """Return about `n` (run, frame) spread evenly over the store."""
    every = [(run, i) for run in store.runs for i in range(store.frame_reader(run).shape[0])]
    return [every[k] for k in np.unique(np.linspace(0, len(every) - 1, n).astype(int))]


def kernels(store: Store, repeats: int, algorithm: str, frames: int) -> dict[str, Any]:
    """Return CPU seconds a frame of a threshold alone, its panels' images in memory."""
    parameters = SpotfinderParameters().threshold.model_copy(update={"algorithm": algorithm})
    thresholds: dict[tuple[str, int], Any] = {}
    seconds, strong = [], []
    for run, i in sample(store, frames):
        experiment, mask = store.run_experiment(run), store.mask(run)
        frame = store.frame_reader(run).read(i, i + 1)[0]
        images, calls = [], []
        for k, panel in enumerate(experiment.detector.panels):
            if (run, k) not in thresholds:
                thresholds[run, k] = threshold_of(panel, experiment.beam, frame.dtype, parameters)
            image = np.ascontiguousarray(frame[panel.slices])
            good = np.ascontiguousarray(mask[panel.slices])
            calls.append(thresholds[run, k])
            images.append((image, good, panel.trusted_range))
        taken = []
        for _repeat in range(repeats + 1):
            start = time.thread_time()
            found = [call(*given) for call, given in zip(calls, images, strict=True)]
            taken.append(time.thread_time() - start)
        seconds.append(min(taken))
        strong.append(int(sum(f.sum() for f in found)))
    return {"cpu": sum(seconds) / len(seconds), "strong": strong}


def save(store: Store, frames: int, out: Path, **_: Any) -> dict[str, Any]:
    """Write the frames that `kernels` takes, and which of their pixels are good, to a .npz."""
    images: list[NDArray[Any]] = []
    good: list[NDArray[np.bool_]] = []
    for run, i in sample(store, frames):
        frame = store.frame_reader(run).read(i, i + 1)[0]
        usable = store.mask(run)
        for panel in store.run_experiment(run).detector.panels:
            low, high = panel.trusted_range
            part = frame[panel.slices]
            usable[panel.slices] &= (part > low) & (part < high)
        images.append(frame)
        good.append(usable)
    np.savez(out, frames=np.stack(images), good=np.stack(good))
    return {"frames": len(images)}


def graph(store: Store, repeats: int, algorithm: str, threads: int, **_: Any) -> dict[str, Any]:
    """Return CPU, wall and peak memory of the whole graph, nothing written to the store."""
    chosen = SpotfinderParameters().threshold.model_copy(update={"algorithm": algorithm})
    parameters = SpotfinderParameters(threshold=chosen)
    start = time.perf_counter()
    lazy = spots_graph.combine(
        [
            spots_graph.find_spots(
                stored(store, run).array(), store.run_experiment(run), store.mask(run), parameters
            )
            for run in store.runs
        ]
    )
    build = time.perf_counter() - start
    cpu, wall = [], []
    before = peak()
    kind = ClusterParameters(kind="threads", cores=threads)
    with open_cluster(kind) as cluster:
        for _repeat in range(repeats + 1):
            start, used = time.perf_counter(), time.process_time()
            (result,) = cluster.compute([lazy])
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
            spots, kept = len(result.reflections["x"]), n_bytes(result)
            del result  # or the next one would come on top of it
    frames = [stored(store, run).array() for run in store.runs]
    n = sum(f.shape[0] for f in frames)
    return {
        "cpu": min(cpu) / n,
        "wall": min(wall) / n,
        "first_wall": wall[0],
        "spots": spots,
        "result": kept,
        "tasks": len(dict(lazy.__dask_graph__())),
        "build": build,
        "memory": peak(),
        "before": before,
        "bound": threads * max(frame_task_bytes(f.chunksize, f.dtype.itemsize) for f in frames),
    }


def machine(repeats: int, **_: Any) -> dict[str, Any]:
    """Return the speed of two threads at plain work over that of one: 2 on an idle machine."""
    data = bytes(20_000_000)

    def seconds(threads: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: hashlib.sha256(data).digest(), range(4)))
        return time.perf_counter() - start

    best = [min(seconds(n) for _repeat in range(3 * repeats)) for n in (1, 2)]
    return {"ratio": best[0] / best[1]}


def n_bytes(result: StepResult) -> int:
    """Return the size of the columns and arrays of a result."""
    return sum(
        np.asarray(a).nbytes for a in (*result.reflections.values(), *result.arrays.values())
    )


PARTS = {"read": read, "kernels": kernels, "save": save, "graph": graph, "machine": machine}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("store", type=Path)
    parser.add_argument("--algorithm", default="dispersion_extended")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("frames.npz"))
    given = vars(parser.parse_args())
    part = PARTS[given.pop("part")]
    names = part.__code__.co_varnames[: part.__code__.co_argcount]
    store = dxdask.open(given.pop("store"), mode="r")
    print(json.dumps(part(**{"store": store, **{k: v for k, v in given.items() if k in names}})))


if __name__ == "__main__":
    main()
