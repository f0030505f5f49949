"""Are the results the same wherever the graph runs, and however the frames are chunked?

    python benchmarks/same_everywhere.py [--slurm] [--runs 5]

Processes the insulin ensemble on threads, in two local processes, and with two workers of a
scheduler of its own, in chunks of 1, 7 and 50 frames; with `--slurm` also as two jobs of the Slurm
that SLURM_CONF names. Prints how each differs from the first: spots must not, intensities by no
more than 1e-9 of their size.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from shared_data import SHARED

import dxdask
from dxdask.storage.store.store import Store

ADDRESS = "tcp://127.0.0.1:8796"
LOCAL = ["cluster=local", "cluster.processes=2", "cluster.cores=2"]


@contextmanager
def scheduler() -> Iterator[None]:
    """Keep a scheduler and two workers running."""
    program = Path(sys.executable).parent / "dask"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    host, port = ADDRESS.removeprefix("tcp://").split(":")
    started = [
        subprocess.Popen(
            [program, "scheduler", "--host", host, "--port", port, "--no-dashboard"], **quiet
        )
    ]
    time.sleep(3)
    worker = [program, "worker", ADDRESS, "--host", host, "--nthreads", "1", "--no-dashboard"]
    started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    try:
        yield
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def processed(files: list[str], store: Path, chunk: int, arguments: list[str]) -> Store:
    """Return the store that one run of `dxdask process` makes."""
    command = [sys.executable, "-m", "dxdask", "process", *files, "space_group=I213"]
    command += ["-o", str(store), f"images_per_chunk={chunk}", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=store.parent)
    return dxdask.open(store, mode="r")


def difference(first: Store, other: Store) -> tuple[bool, float, float]:
    """Return True if spots are identical, and the largest relative differences of intensities."""
    spots = [{**s.columns("find_spots"), **s.arrays("find_spots")} for s in (first, other)]
    same = all(np.array_equal(spots[0][k], spots[1][k], equal_nan=True) for k in spots[0])
    largest = []
    for step, column in (("integrate", "intensity_sum"), ("merge", "intensity")):
        a, b = (s.columns(step, [column])[column] for s in (first, other))
        scale = np.maximum(np.abs(a), np.nanmedian(np.abs(a)))
        largest.append(float(np.nanmax(np.abs(a - b) / scale)) if a.shape == b.shape else np.inf)
    return same, largest[0], largest[1]


def main() -> int:
    """Process and compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slurm", action="store_true", help="also as jobs of Slurm")
    parser.add_argument("--runs", type=int, default=5, help="how many of the five runs")
    options = parser.parse_args()
    files = sorted(str(p) for p in (SHARED / "data" / "insulin").glob("*/*.nxs"))[: options.runs]
    if not files:
        sys.stdout.write(f"no insulin ensemble in {SHARED}; set DXDASK_SHARED\n")
        return 1
    ways = [
        ("threads", 1, []),
        ("threads", 7, []),
        ("local 2x1", 7, LOCAL),
        ("scheduler, 2 workers", 50, [f"cluster={ADDRESS}"]),
    ]
    if options.slurm:
        ways.append(("slurm, 2 jobs", 50, ["cluster=slurm", "cluster.jobs=2", "cluster.cores=1",
                     "cluster.memory=3GB", "cluster.interface=lo"]))  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="dxdask-same-"))
    failed = False
    try:
        with scheduler():
            sys.stdout.write(f"{'where':<22}{'chunk':>6}  spots      integrated    merged\n")
            first = None
            for i, (where, chunk, arguments) in enumerate(ways):
                store = processed(files, folder / f"way{i}.zarr", chunk, arguments)
                first = first or store
                same, integrated, merged = difference(first, store)
                failed |= not same or max(integrated, merged) > 1e-9
                verdict = "identical" if same else "DIFFER"
                sys.stdout.write(
                    f"{where:<22}{chunk:>6}  {verdict:<10}{integrated:>11.1e}{merged:>10.1e}\n"
                )
                sys.stdout.flush()
    finally:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
