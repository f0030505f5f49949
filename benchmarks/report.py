"""Cost and size of the report of the insulin ensemble, and of a store of many runs made from it.

    python benchmarks/report.py [--runs 5,100] [--folder DIR] [--store STORE]

The shared insulin ensemble is processed, or taken from a store. The store of many runs has copies
of its last run with 2000 reflections in each step, rows of their own in all tables, and 112 images
each. Prints CPU seconds of `dxdask report` with the start of Python, wall seconds, peak memory and
the size of the page.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from many_runs import _make_run
from measure import run
from numpy.typing import NDArray
from shared_data import SHARED

import dxdask
from dxdask.columns import concatenate, select
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store.store import Store
from dxdask.tables import Table

N_ROWS = 2000
N_INSULIN = 5


def insulin(folder: Path) -> Store:
    """Return the store of the five runs."""
    files = sorted(SHARED.glob("data/insulin/*/*.nxs"))
    return dxdask.process(files, folder / "insulin.zarr", link=True, show=dxdask.quiet)


def store_of(n_runs: int, source: Store, path: Path) -> Store:
    """Return a store with the results of the last run of another, many times."""
    store = Store.create(path, overwrite=True)
    last = source.runs[-1]
    names = [f"{last}_{i:03d}" for i in range(n_runs)]
    with store.writing():
        store.hold_runs()
        for name in names:
            _make_run(store, source.run_experiment(last), name)
    for step in source.show()["steps"]:
        result = _result(source, step, last, names)
        parameters = source.step_attributes(step)["parameters"]
        store.write_step(step, result, parameters=parameters, seconds={"wall": 1.0})
    return store


def _result(source: Store, step: str, last: str, names: list[str]) -> StepResult:
    whole = source.read_step(step)
    models = [e for e in whole.experiments if e.run == last]
    experiments = ExperimentList.of(
        [replace(models[0], run=n, identifier=f"{n}-{step}") for n in names]
    )
    tables = tuple(_table(t, last, names) for t in whole.tables)
    reflections = whole.reflections
    if "experiment" in reflections:
        own = np.flatnonzero(whole.experiments.run_indices[reflections["experiment"]]
                             == whole.experiments.runs.index(last))  # fmt: skip
        rows = own[np.linspace(0, len(own) - 1, min(N_ROWS, len(own))).astype(np.int64)]
        few = select(reflections, rows)
        reflections = concatenate(
            [few | {"experiment": np.full(len(rows), i, np.int32)} for i in range(len(names))]
        )
    arrays = _arrays(whole.arrays, len(whole.experiments.runs), len(names))
    return StepResult(
        experiments=experiments, reflections=reflections, tables=tables, arrays=arrays,
        messages=whole.messages,
    )  # fmt: skip


def _table(table: Table, last: str, names: list[str]) -> Table:
    """Return a table with the rows of one run for each; those of no run stay."""
    rows = [dict(row) for row in table.rows]
    if not rows or "run" not in rows[0]:
        return table
    own = [row for row in rows if last in str(row["run"])]
    return replace(table, rows=[{**row, "run": name} for name in names for row in own])


def _arrays(
    arrays: Mapping[str, NDArray[Any]], n_before: int, n_runs: int
) -> dict[str, NDArray[Any]]:
    """Return the arrays that the report reads: histograms, and pairs of intensities."""
    found: dict[str, NDArray[Any]] = {}
    if "histogram" in arrays:
        found = {"bin_centres": arrays["bin_centres"]}
        found["histogram"] = np.repeat(arrays["histogram"][-1:], n_runs, axis=0)
    if "pair_offsets" in arrays:
        # the last run is the reference: the one before it has the pairs that differ
        a, b = arrays["pair_offsets"][n_before - 2 : n_before]
        rows = np.linspace(a, b - 1, min(N_ROWS, b - a)).astype(np.int64)
        found["pair_offsets"] = np.arange(n_runs + 1) * len(rows)
        for name in ("pair_intensity", "pair_reference", "pair_image", "pair_panel"):
            found[name] = np.tile(arrays[name][rows], n_runs)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default=f"{N_INSULIN},100")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--store", type=Path, help="the processed insulin ensemble")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dxdask-report-"))
    folder.mkdir(parents=True, exist_ok=True)
    source = dxdask.open(given.store, "r") if given.store else insulin(folder)
    print(f"{'runs':>5} {'CPU s':>7} {'wall s':>7} {'GB':>6} {'MB of page':>11}")
    for n in map(int, given.runs.split(",")):
        path = folder / f"runs_{n}.zarr"
        store = source if n == len(source.runs) else store_of(n, source, path)
        page = folder / f"report_{n}.html"
        command = [sys.executable, "-m", "dxdask", "report", str(store.path), "-o", str(page)]
        costs = [run(command, cwd=folder, log=folder / "report.log") for _ in range(2)]
        cost = costs[1]  # the first one compiles kernels and bytecode
        print(f"{n:5d} {cost.cpu:7.2f} {cost.wall:7.2f} {cost.memory_gb:6.2f} "
              f"{page.stat().st_size / 1e6:11.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
