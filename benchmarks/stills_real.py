"""Real stills through `dxdask stills_process`, and with --dials beside DIALS's ssx programs.

    python benchmarks/stills_real.py [--dials] [--shared SHARED]

For each set: events, hits, crystals, spots indexed; reflections that can be merged and their mean
I/sigma in ranges of resolution; how intensities of common reflections of two stills correlate
(median of the pairs). CPU seconds are of the whole command, start-up included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import spotfinding_dials as dials
from measure import run
from numpy.typing import NDArray

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.models.symmetry import asu_indices, pack

ROOT = Path(__file__).resolve().parent.parent
CSPAD = ("spotfinder.threshold.algorithm=dispersion", "spotfinder.threshold.dispersion.gain=25",
         "spotfinder.threshold.dispersion.global_threshold=100",
         "spotfinder.filter.min_spot_size=2")  # fmt: skip
SETS: Mapping[str, tuple[str, str, str, Sequence[str]]] = {
    "thermolysin_cspad": ("*.cbf", "92.9,92.9,130.4,90,90,120", "P6122", CSPAD),
    "thaumatin_grid": ("*.bz2", "57.8,57.8,150,90,90,90", "P41212", ()),
    "thaumatin_still": ("*.gz", "57.8,57.8,150,90,90,90", "P41212", ()),
}
RANGES = ((50.0, 4.0), (4.0, 3.0), (3.0, 2.5), (2.5, 2.0), (2.0, 1.5))
FEWEST = 30
# in DIALS's own Python: its tables as arrays
DUMP = """
import sys, numpy
from dials.array_family import flex
t = flex.reflection_table.from_file(sys.argv[1])
good = t.get_flags(t.flags.integrated_sum)
t = t.select(good)
numpy.savez(sys.argv[2], z=t["id"].as_numpy_array(),
            hkl=numpy.array(t["miller_index"]).reshape(-1, 3),
            intensity_sum=t["intensity.sum.value"].as_numpy_array(), d=t["d"].as_numpy_array(),
            intensity_sum_variance=t["intensity.sum.variance"].as_numpy_array())
"""


def report(label: str, table: Mapping[str, NDArray[Any]], group: str) -> None:
    """Print the number, significance and consistency of the integrated reflections."""
    with np.errstate(divide="ignore", invalid="ignore"):
        over = table["intensity_sum"] / np.sqrt(table["intensity_sum_variance"])
    shells = []
    for low, high in RANGES:
        own = (table["d"] < low) & (table["d"] >= high) & np.isfinite(over)
        shells.append(f"{low:g}-{high:g} A {own.sum()} {over[own].mean() if own.any() else 0:.1f}")
    pairs = _pairs(table, gemmi.SpaceGroup(group))
    agreement = f"CC of stills {np.median(pairs):.2f} ({len(pairs)} pairs)" if pairs else ""
    print(f"    {label}: {len(over)} reflections; {', '.join(shells)}; {agreement}")


def _pairs(table: Mapping[str, NDArray[Any]], group: gemmi.SpaceGroup) -> list[float]:
    """Return the correlations of stills, two at a time, on their common reflections to 2.5 A."""
    key = pack(asu_indices(np.ascontiguousarray(table["hkl"], np.int32), group)[0])
    out = []
    for a, b in itertools.combinations(np.unique(table["z"]), 2):
        rows = [np.flatnonzero((table["z"] == z) & (table["d"] > 2.5)) for z in (a, b)]
        _, i, j = np.intersect1d(key[rows[0]], key[rows[1]], return_indices=True)
        if len(i) >= FEWEST:
            x, y = (table["intensity_sum"][r[k]] for r, k in zip(rows, (i, j), strict=True))
            out.append(float(np.corrcoef(x, y)[0, 1]))
    return out


def ours(name: str, files: Sequence[str], folder: Path) -> None:
    """Print what dxdask makes of a set, the cell known and not."""
    _, cell, group, others = SETS[name]
    known = [f"indexing.known_symmetry.{x}" for x in (f"unit_cell={cell}", f"space_group={group}")]
    for label, symmetry in (("cell known", known), ("cell unknown", [])):
        if not symmetry and len(files) < 3:
            continue  # too few to agree on a cell
        path = folder / f"{name}_{len(symmetry)}.zarr"
        given = ["stills_process", *files, "-o", str(path), *symmetry, *others]
        command = [sys.executable, "-m", "dxdask", *given]
        cost = run(command, cwd=folder, log=path.with_suffix(".log"))
        store = dxdask.open(path)
        rows = store.table("index", "stills")
        cells = np.array([c[:3] for c in rows["cell"][rows["indexed"]]])
        print(
            f"  dxdask, {label}: {len(rows)} events, {rows['hit'].sum()} hits, "
            f"{rows['indexed'].sum()} indexed, spots {rows['n_indexed'].tolist()} of "
            f"{rows['n_spots'].tolist()}, cell {np.median(cells, axis=0).round(2).tolist()}, "
            f"{cost.cpu:.1f} CPU s"
        )
        table = store.read_step("integrate").reflections
        good = has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, Flag.OVERLAPPED_FG)
        report("integrated", {n: v[good] for n, v in table.items()}, group)
        merged = store.table("merge", "overall").iloc[0]
        half = "" if merged["cc_half"] is None else f", CC1/2 {merged['cc_half']:.3f}"
        print(f"    merged: {merged['n_obs']:.0f} observations of {merged['n_unique']:.0f}{half}")


def by_dials(name: str, files: Sequence[str], folder: Path) -> None:
    """Print what DIALS's ssx programs make of a set, by both of its algorithms."""
    _, cell, group, others = SETS[name]
    environment = dials.for_stills(folder)
    here = folder / f"dials_{name}"
    here.mkdir()
    steps: list[list[str]] = [
        ["dials.import", *files, "convert_sequences_to_stills=true"],
        ["dials.find_spots", "imported.expt", "nproc=1", *others],
        ["dials.ssx_index", "imported.expt", "strong.refl", f"unit_cell={cell}",
         f"space_group={group}", "nproc=1"],
    ]  # fmt: skip
    costs = [run(s, cwd=here, log=here / f"{s[0]}.log", environment=environment) for s in steps]
    for algorithm in ("stills", "ellipsoid"):
        own = here / algorithm
        own.mkdir()
        step = ["dials.ssx_integrate", "../indexed.expt", "../indexed.refl", "nproc=1",
                f"algorithm={algorithm}"]  # fmt: skip
        try:
            cost = run(step, cwd=own, log=own / "log", environment=environment)
        except RuntimeError as error:
            print(f"  DIALS, {algorithm}: failed ({str(error).splitlines()[-1]})")
            continue
        dump = ["/usr/bin/python3", "-c", DUMP, "integrated_1.refl", "table.npz"]
        run(dump, cwd=own, log=own / "dump.log", environment=environment)
        with np.load(own / "table.npz") as arrays:
            table = dict(arrays)
        total = sum(c.cpu for c in costs) + cost.cpu
        print(f"  DIALS: {len(np.unique(table['z']))} integrated, {total:.1f} CPU s")
        report(algorithm, table, group)


def main() -> None:
    """Print the figures of all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = os.environ.get("DXDASK_SHARED", str(ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=Path(shared))
    parser.add_argument("--dials", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, (pattern, *_) in SETS.items():
            files = [str(f) for f in sorted((given.shared / "data/real" / name).glob(pattern))]
            print(f"{name}, {len(files)} files")
            ours(name, files, Path(folder))
            if given.dials:
                by_dials(name, files, Path(folder))


if __name__ == "__main__":
    main()
