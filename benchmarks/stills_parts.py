"""One measured part of processing stills, in a process of its own: so its peak memory is right.

    python benchmarks/stills_parts.py read|graph|build STORE [--threads N] [--events N] [A.B=C ...]

The last line that is printed is the result, as JSON. CPU is of the process, with all its threads.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from measure import peak

import dxdask
from dxdask.cli.arguments import read_parameters
from dxdask.cluster.client import open_cluster
from dxdask.cluster.parameters import ClusterParameters
from dxdask.columns import Flag, has_flag
from dxdask.graphs.stills.process import RunOfFrames, process_stills
from dxdask.graphs.stills.run import stills_run
from dxdask.indexing.stills.index_stills import known_cell
from dxdask.pipeline.frames import stored
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.storage.frames.lazy import lazy_frames
from dxdask.storage.store.store import Store


def read(store: Store, **_: Any) -> dict[str, Any]:
    """Return CPU seconds a frame of reading and unpacking, block after block into the same room."""
    (run,) = store.runs
    reader, lengths = store.frame_reader(run), stored(store, run).array().chunks[0]
    room = np.empty((max(lengths), *reader.shape[1:]), reader.dtype)
    passes = []
    for _repeat in range(2):
        start, first = time.thread_time(), 0
        for n in lengths:
            reader.read_into(first, first + n, room[:n])
            first += n
        passes.append(time.thread_time() - start)
    return {"cpu": min(passes) / first}


def graph(store: Store, threads: int, given: Sequence[str], **_: Any) -> dict[str, Any]:
    """Return CPU, wall and peak memory of the graph as far as integration, nothing written."""
    parameters = read_parameters(StillsProcessParameters, None, list(given))
    (run,) = store.runs
    frames = stored(store, run).array()
    reader = store.frame_reader(run)
    with open_cluster(ClusterParameters(kind="threads", cores=threads)) as cluster:
        # kernels are loaded by a few events, hits among them
        cluster.compute(
            [lazy(store, lazy_frames(First(reader, 64), 8, unreadable="mark"), parameters)]
        )
        before, begun = peak(), time.perf_counter()
        task = lazy(store, frames, parameters)
        build = time.perf_counter() - begun
        start, used = time.perf_counter(), time.process_time()
        (part,) = cluster.compute([task])
        wall, cpu = time.perf_counter() - start, time.process_time() - used
    stills, observations = part.stills, part.observations
    return {
        "n": frames.shape[0],
        "cpu": cpu,
        "wall": wall,
        "build": build,
        "tasks": len(dict(task.__dask_graph__())),
        "memory": peak(),
        "before": before,
        "result": sum(a.nbytes for table in (part.spots, part.indexed, observations, part.stills)
                      for a in table.values()),
        "hits": int(stills["hit"].sum()),
        "indexed": int(stills["indexed"].sum()),
        "integrated": int(has_flag(observations, Flag.INTEGRATED_SUM).sum()),
    }  # fmt: skip


def build(store: Store, events: int, given: Sequence[str], **_: Any) -> dict[str, Any]:
    """Return tasks and seconds of the graph of `events` events, as if the run had them."""
    parameters = read_parameters(StillsProcessParameters, None, list(given))
    (run,) = store.runs
    many = lazy_frames(First(store.frame_reader(run), events), unreadable="mark")
    best = np.inf
    for _repeat in range(3):
        start = time.perf_counter()
        task = lazy(store, many, parameters)
        best = min(best, time.perf_counter() - start)
    return {"tasks": len(dict(task.__dask_graph__())), "build": best}


@dataclass(frozen=True)
class First:
    """A reader of the first `n` frames of another, or of more than it has, which are not there."""

    reader: Any
    n: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, slow, fast)."""
        return (self.n, *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return np.dtype(self.reader.dtype)

    @property
    def step(self) -> int:
        """Images in one file."""
        return int(self.reader.step)

    def read(self, first: int, last: int) -> Any:
        """Return frames `first` to `last`, not included."""
        return self.reader.read(first, last)

    def require_files(self) -> None:
        """Check the files of the other reader."""
        self.reader.require_files()

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return (str(self.n), *self.reader.__dask_tokenize__())


def lazy(store: Store, frames: da.Array, parameters: StillsProcessParameters) -> Delayed:
    """Return the events of the store's run as far as integration."""
    (run,) = store.runs
    experiment = store.run_experiment(run)
    n, waves = frames.shape[0], experiment.beam.wavelengths or ()
    beam = replace(experiment.beam, wavelengths=tuple(np.resize(waves, n).tolist()))
    experiment = replace(experiment, beam=beam, scan=None)
    shared = stills_run(experiment, frames.shape, parameters, mask=store.mask(run))
    runs = [RunOfFrames(frames, shared)]
    ((events,), _) = process_stills(runs, known_cell(parameters.indexing))
    return events


PARTS = {"read": read, "graph": graph, "build": build}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("store", type=Path)
    parser.add_argument("given", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--events", type=int, default=2000)
    arguments = vars(parser.parse_intermixed_args())
    store = dxdask.open(arguments.pop("store"), mode="r")
    print(json.dumps(PARTS[arguments.pop("part")](store, **arguments)))


if __name__ == "__main__":
    main()
