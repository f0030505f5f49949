"""Cost of indexing, scaling and merging of 10, 100 and 1000 runs, made from one.

    python benchmarks/many_runs.py [--runs 10,100,1000] [--folder DIR]

One sweep of the shared insulin ensemble is processed; stores of many runs are made of its first
2000 spots and 2000 integrated reflections, each run with intensities of its own (another scale, and
noise by the variances). Then `dxdask index joint_indexing=false`, `scale` and `merge` are run as
commands. Prints CPU and peak memory of each, and CPU a run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import run
from shared_data import SHARED

import dxdask
from dxdask.columns import Reflections, select
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import Partition, write_partition
from dxdask.storage.store.store import Store

N_ROWS = 2000
COMMANDS = (
    ("index", "joint_indexing=false", "space_group=I213"),
    ("scale",),
    ("merge",),
)


def one_run(folder: Path) -> Store:
    """Return the store of one processed sweep."""
    files = sorted(SHARED.glob("data/insulin/*/*.nxs"))[-1:]
    return dxdask.process(files, folder / "one.zarr", space_group="I213")


def store_of(n_runs: int, source: Store, path: Path) -> Store:
    """Return a store of many runs with spots and integrated reflections of one, each its own."""
    store = Store.create(path, overwrite=True)
    (name,) = source.runs
    spots, integrated = source.read_step("find_spots"), source.read_step("integrate")
    rows = np.linspace(0, len(spots.reflections["x"]) - 1, N_ROWS).astype(np.int64)
    few_spots = select(spots.reflections, rows)
    rows = np.linspace(0, len(integrated.reflections["d"]) - 1, N_ROWS).astype(np.int64)
    few = select(integrated.reflections, rows)
    models = {"find_spots": spots.experiments[0], "integrate": integrated.experiments[0]}
    partitions: dict[str, list[Partition]] = {"find_spots": [], "integrate": []}
    with store.writing():
        store.hold_runs()
        for i in range(n_runs):
            new = f"{name}_{i:04d}"
            _make_run(store, source.run_experiment(name), new)
            tables = {"find_spots": few_spots, "integrate": _with_noise(few, i)}
            for step, table in tables.items():
                experiment = replace(models[step], run=new, identifier=f"{new}-{step}")
                result = StepResult(experiments=ExperimentList.of([experiment]), reflections=table)
                partitions[step].append(
                    write_partition(
                        store.path, "main", step, result,
                        run=new, fingerprint=f"{i:064x}", parameters={},
                    )
                )  # fmt: skip
        for step, parts in partitions.items():
            commit_step(
                store.path, "main", step, parts, result=None, fingerprint="", parameters={},
                seconds={}, made_from={p.run: "" for p in parts},
            )  # fmt: skip
    return store


def _make_run(store: Store, experiment: Experiment, name: str) -> None:
    """Make a complete run whose frames are one pixel: no step of this benchmark reads them."""
    scan = experiment.scan
    n_images = 1 if scan is None else scan.n_images
    writer = store.create_run(
        name,
        replace(experiment, run=name, identifier=name),
        n_images=n_images, shape=(1, 1), dtype="uint16", chunk=n_images,
    )  # fmt: skip
    writer.write(0, np.zeros((n_images, 1, 1), np.uint16))
    writer.finish()


def _with_noise(table: Reflections, seed: int) -> Reflections:
    rng = np.random.default_rng(seed)
    out, scale = dict(table), rng.uniform(0.5, 2.0)
    for kind in ("sum", "prf"):
        variance = np.maximum(table[f"intensity_{kind}_variance"], 0.0)
        noise = rng.normal(0.0, 1.0, len(variance)) * np.sqrt(variance)
        out[f"intensity_{kind}"] = scale * (table[f"intensity_{kind}"] + noise)
        out[f"intensity_{kind}_variance"] = 2.0 * scale**2 * variance
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="10,100,1000")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dxdask-many-"))
    folder.mkdir(parents=True, exist_ok=True)
    source = one_run(folder)
    print(f"{'runs':>5} {'command':8} {'CPU s':>8} {'wall s':>8} {'GB':>6} {'CPU ms a run':>13}")
    for n in map(int, given.runs.split(",")):
        for command, *words in COMMANDS:
            # each from the same store, since indexing again makes integrate stale
            store = store_of(n, source, folder / f"{command}_{n}.zarr")
            if command == "merge":
                log = folder / "scale.log"
                run([sys.executable, "-m", "dxdask", "scale", str(store.path)], cwd=folder, log=log)
            cost = run(
                [sys.executable, "-m", "dxdask", command, str(store.path), *words],
                cwd=folder,
                log=folder / f"{command}_{n}.log",
            )
            each = 1e3 * cost.cpu / n
            print(f"{n:5d} {command:8} {cost.cpu:8.1f} {cost.wall:8.1f} "
                  f"{cost.memory_gb:6.2f} {each:13.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
