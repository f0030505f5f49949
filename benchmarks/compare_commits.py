"""Cost of commands of two installations of dxdask, in pairs: an earlier commit beside this one.

    python benchmarks/compare_commits.py OLD [NEW] [--pairs 3] [--folder DIR]

OLD and NEW are dxdask commands (`.../bin/dxdask`), each of an environment of its own; NEW is that
of this interpreter if not given. Both run `process` on the shared insulin ensemble, `integrate` and
`find_spots` on its store again, and `stills_process` on the shared stills, in turn, the first of a
pair alternating. One run of each before is not counted: it compiles the kernels. Prints CPU seconds
and peak memory of both, medians, and their ratio.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import Cost, run
from shared_data import SHARED

HERE = Path(__file__).resolve().parent
STILLS = (
    "known_symmetry.space_group=P43212",
    "known_symmetry.unit_cell=79,79,38,90,90,90",
    "threshold.algorithm=dispersion",
    "filter.min_spot_size=2",
)


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each command; their stores are in `folder`."""
    sweeps = [str(p) for p in sorted(SHARED.glob("data/insulin/*/*.nxs"))]
    store, stills = str(folder / "sweeps.zarr"), str(folder / "stills.zarr")
    return {
        "process": ("process", *sweeps, "space_group=I213", "-o", store),
        # limits beyond all data change the fingerprint alone, so that the steps run again
        "integrate": ("integrate", store, "prediction.d_max=400"),
        "find_spots": ("find_spots", store, "filter.d_max=400"),
        "stills_process": (
            "stills_process", str(SHARED / "data/stills/corrected.h5"), *STILLS, "-o", stills,
        ),
    }  # fmt: skip


def measured(executable: Path, folder: Path) -> dict[str, Cost]:
    """Return the cost of each command, in a folder that is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return {
        name: run([str(executable), *arguments], cwd=folder, log=folder / f"{name}.log")
        for name, arguments in commands(folder).items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=Path(sys.executable).parent / "dxdask")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dxdask-commits-"))
    versions = {"old": given.old.absolute(), "new": given.new.absolute()}
    costs: dict[str, list[dict[str, Cost]]] = {"old": [], "new": []}
    for pair in range(given.pairs + 1):
        for version in sorted(versions, reverse=pair % 2 == 1):
            found = measured(versions[version], folder / version)
            if pair:
                costs[version].append(found)
    print("command           old CPU s     new  ratio  old GB    new")
    for name in costs["old"][0]:
        cpu = {v: median(c[name].cpu for c in found) for v, found in costs.items()}
        memory = {v: median(c[name].memory_gb for c in found) for v, found in costs.items()}
        ratio = median(
            new[name].cpu / old[name].cpu
            for old, new in zip(costs["old"], costs["new"], strict=True)
        )
        print(f"{name:16s} {cpu['old']:10.1f} {cpu['new']:7.1f} {ratio:6.2f} "
              f"{memory['old']:7.2f} {memory['new']:6.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
