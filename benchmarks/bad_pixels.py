"""Bad pixels found among those hidden in the insulin ensemble, and what that costs.

    python benchmarks/bad_pixels.py [--python /usr/bin/python3 | --no-dials]

The five runs have 30 dead and 13 hot pixels that are not in the mask of the files. Recall: how many
of them are found; precision: how much of what is found is one of them. Each run is judged by its
own images, then all together; beside them dials.find_bad_pixels, which looks for bright pixels
only, of each run and (what it does with several) those bad in every run. CPU is that of whole
commands, their start included, with find_spots on the same store for comparison.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measure import Cost, run
from shared_data import SHARED

import dxdask
from dxdask.storage.store.store import Store

INSULIN = SHARED / "data" / "insulin"
DXDASK = (sys.executable, "-m", "dxdask")

Places = set[tuple[int, int]]


def hidden() -> dict[str, Places]:
    """Return the places (slow, fast) of the bad pixels that the mask does not list."""
    truth = json.loads((INSULIN / "truth.json").read_text())["bad_pixels"]
    return {
        kind: {
            (place[0], place[1])
            for place, known in zip(truth[kind], truth[f"{kind}_listed_in_mask"], strict=True)
            if not known
        }
        for kind in ("dead", "hot")
    }


def ours(store: Store, run_name: str) -> Places:
    """Return the bad pixels of a run, or of all together."""
    rows = store.table("find_bad_pixels", "pixels")
    mine = rows[rows["run"] == run_name]
    return set(zip(mine["slow"].tolist(), mine["fast"].tolist(), strict=True))


def dials(python: str, file: Path, folder: Path) -> tuple[Places, Cost]:
    """Return the bad pixels that DIALS finds in a run, and the cost."""
    spec = find_spec("hdf5plugin")
    plugins = Path(str(spec and spec.origin)).parent / "plugins"
    log = folder / f"{file.stem}.log"
    command = [python, "-m", "dials.command_line.find_bad_pixels", str(file)]
    cost = run(command, cwd=folder, log=log, environment={"HDF5_PLUGIN_PATH": str(plugins)})
    lines = [line.split() for line in log.read_text().splitlines() if line.startswith("mask:")]
    return {(int(slow), int(fast)) for _, slow, fast, _ in lines}, cost


def line(name: str, found: Collection[tuple[int, int]], truth: dict[str, Places]) -> str:
    """Return the row of the pixels found: dead, hot and good ones, recall and precision."""
    every = truth["dead"] | truth["hot"]
    right = every.intersection(found)
    dead, hot = len(truth["dead"] & right), len(truth["hot"] & right)
    precision = len(right) / len(found) if found else np.nan
    return (
        f"{name:28}{dead:4}/{len(truth['dead']):<4}{hot:4}/{len(truth['hot']):<4}"
        f"{len(found) - len(right):6}{len(right) / len(every):9.3f}{precision:11.3f}"
    )


def costs(name: str, cost: Cost, n_frames: int) -> str:
    """Return the row of the cost of a command."""
    each = 1e3 * cost.cpu / n_frames
    return f"{name:28}{cost.cpu:7.1f}{each:13.1f}{cost.wall:8.1f}{cost.memory_gb:10.2f}"


def compare(files: Sequence[Path], folder: Path, python: str | None) -> None:
    """Print both tables."""
    store = dxdask.import_(list(files), folder / "insulin.zarr")
    n_frames = sum(store.frames(name).shape[0] for name in store.runs)
    truth, taken = hidden(), []
    print(f"{'':28}{'dead':>8}{'hot':>9}{'good':>7}{'recall':>9}{'precision':>11}")
    for words in (["combine=each"], ["cluster=synchronous"], ["combine=joint", "force=true"]):
        command = [*DXDASK, "find_bad_pixels", str(store.path), *words]
        cost = run(command, cwd=folder, log=folder / "ours.log")
        if words == ["combine=each"]:
            for name in store.runs:
                print(line(f"dxdask, {name}", ours(store, name), truth))
        else:
            threads = "1 thread" if "cluster=synchronous" in words else "threads"
            taken.append(costs(f"find_bad_pixels, {threads}", cost, n_frames))
    print(line("dxdask, all together", ours(store, "all"), truth))
    command = [*DXDASK, "find_spots", str(store.path), "cluster=synchronous"]
    spots = run(command, cwd=folder, log=folder / "spots.log")
    taken.append(costs("find_spots, 1 thread", spots, n_frames))
    if python is not None:
        theirs = {f: dials(python, f, folder) for f in files}
        for file, (found, _) in theirs.items():
            print(line(f"DIALS, {file.stem}", found, truth))
        print(line("DIALS, bad in all", set.intersection(*(f for f, _ in theirs.values())), truth))
        total = sum((c for _, c in theirs.values()), Cost(0.0, 0.0, 0.0))
        taken.append(costs("dials.find_bad_pixels", total, n_frames))
    print(f"\n{'':28}{'CPU/s':>7}{'ms a frame':>13}{'wall/s':>8}{'peak/GB':>10}")
    print("\n".join(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter with dials")
    parser.add_argument("--no-dials", action="store_true", help="leave DIALS out")
    arguments = parser.parse_args()
    python = None if arguments.no_dials or not Path(arguments.python).exists() else arguments.python
    with tempfile.TemporaryDirectory() as folder:
        compare(sorted(INSULIN.glob("run*/*.nxs")), Path(folder), python)


if __name__ == "__main__":
    main()
