"""Tasks of `process` on five runs, and on six when the first five are in the store.

    python benchmarks/one_run_more.py [--folder DIR]

The shared insulin ensemble has five runs; the sixth is a copy of one. Prints, step by step, the
runs that the graph computes and the number of its tasks.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from dask.utils import key_split
from shared_data import SHARED

import dxdask
from dxdask.parameters.assignments import with_assignments
from dxdask.pipeline import frames
from dxdask.pipeline.ensemble import process_plan
from dxdask.pipeline.process_parameters import process_parameters
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store


def tasks(store: Store, files: list[str], given: dict[str, Any]) -> Counter[str]:
    """Return the number of tasks of each kind that `process` would compute."""
    parameters = with_assignments(process_parameters(), given.items())
    sources = read_runs(files, parameters)
    prints = frames.fingerprints(sources, parameters)
    readers = frames.prepare(store, sources, prints, parameters)
    plan = process_plan(store, sources, readers, prints, parameters)
    keys = {key for task in plan.tasks for key in task.__dask_graph__()}
    print("computed:", ", ".join(plan.commits) or "nothing", "| found:", ", ".join(plan.found))
    return Counter(key_split(key) for key in keys)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="dxdask-more-"))
    files = [str(p) for p in sorted(SHARED.glob("data/insulin/*/*.nxs"))]
    sixth = folder / "sixth"
    shutil.copytree(Path(files[0]).parent, sixth)
    (more,) = sixth.glob("*.nxs")
    more = more.rename(more.with_stem(f"{more.stem}_again"))
    given = {"space_group": "I213"}
    path = folder / "runs.zarr"
    first = tasks(Store.create(folder / "empty.zarr"), files, given)
    dxdask.process(files, path, **given)
    second = tasks(Store.open(path), [*files, str(more)], given)
    print(f"{'task':28} {'five runs':>10} {'a sixth':>10}")
    for name in sorted(first | second):
        print(f"{name:28} {first[name]:10d} {second[name]:10d}")
    print(f"{'all':28} {first.total():10d} {second.total():10d}")


if __name__ == "__main__":
    main()
