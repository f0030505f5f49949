"""Merged intensities of insulin beside the true ones: ours and DIALS's, of the same reflections.

    python benchmarks/merged_vs_dials.py [--store S.zarr] [--dials MERGED.mtz]

Takes the merged reflections of DIALS 3.12 in the shared data, and of `dxdask process` without any
parameter, or of a store made from these frames. For each shell of resolution, by the true cell: the
correlation with the true intensities, R = sum |I - I true| / sum I true and the rms of I - I true,
each after one scale that is fitted to the shell. The error of the difference of the correlations is
that of bootstrap samples of the shell's reflections (Efron 1979, Ann. Statist. 7, 1).
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path

import gemmi
import numpy as np
from intensities_vs_truth import INSULIN, Matched, matched, matched_store
from shared_data import SHARED

import dxdask
from dxdask.arrays import Floats

SAMPLES = 500  # of the bootstrap
EDGES = (100.0, 10.0, 4.0, 2.59, 2.06, 1.80, 1.63, 1.52, 1.43, 1.36, 1.30, 1.25, 1.20)


def of_dials(path: Path) -> Matched:
    """Return the merged reflections of an MTZ file of DIALS beside the truth."""
    mtz = gemmi.read_mtz_file(str(path))
    names = {"hkl": "HKL", "intensity": ("IMEAN",), "sigma": ("SIGIMEAN",)}
    columns = {
        name: np.column_stack([np.asarray(mtz.column_with_label(label)) for label in labels])
        for name, labels in names.items()
    }
    known = np.isfinite(columns["intensity"][:, 0])
    table = {
        "hkl": columns["hkl"][known].astype(np.int32),
        "intensity": columns["intensity"][known, 0].astype(np.float64),
        "sigma": columns["sigma"][known, 0].astype(np.float64),
    }
    return matched(table, mtz.cell, mtz.spacegroup, EDGES[0])


def agreement(intensity: Floats, true: Floats) -> tuple[float, float, float]:
    """Return correlation, R and rms difference after the scale of least squares."""
    intensity = intensity * (intensity @ true) / (intensity @ intensity)
    difference = intensity - true
    correlation = float(np.corrcoef(intensity, true)[0, 1])
    r = float(np.abs(difference).sum() / true.sum())
    return correlation, r, float(np.sqrt(np.mean(difference**2)))


def error_of_difference(ours: Floats, theirs: Floats, true: Floats) -> float:
    """Return the standard error of the difference of the correlations with the true (n,)."""
    random, n = np.random.default_rng(1), len(true)
    differences = []
    for _ in range(SAMPLES):
        rows = random.integers(0, n, n)
        table = np.corrcoef([ours[rows], theirs[rows], true[rows]])
        differences.append(table[0, 2] - table[1, 2])
    return float(np.std(differences))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path)
    parser.add_argument(
        "--dials", type=Path, default=SHARED / "reference" / "insulin" / "merged.mtz"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = (
            dxdask.process(sorted(INSULIN.glob("run*/*.nxs")), Path(folder) / "insulin.zarr")
            if given.store is None
            else dxdask.open(given.store)
        )
        ours = matched_store(store, EDGES[0])
    theirs = of_dials(given.dials)
    _, mine, others = np.intersect1d(ours.key, theirs.key, return_indices=True)
    true, d = ours.true[mine], ours.d[mine]
    print(f"{len(ours.key)} reflections, DIALS {len(theirs.key)}; of the {len(mine)} of both:")
    print(f"{'d_max':>8}{'d_min':>7}{'n':>6}{'CC':>10}{'DIALS':>9}{'difference':>12}{'+-':>9}{'R':>9}{'DIALS':>8}"
          f"{'rms':>10}{'DIALS':>9}")  # fmt: skip
    for high, low in pairwise(EDGES):
        rows = (d <= high) & (d > low)
        our, their = ours.intensity[mine][rows], theirs.intensity[others][rows]
        cc, r, rms = agreement(our, true[rows])
        cc2, r2, rms2 = agreement(their, true[rows])
        error = error_of_difference(our, their, true[rows])
        print(f"{high:8.2f}{low:7.2f}{rows.sum():6d}{cc:10.5f}{cc2:9.5f}{cc - cc2:12.5f}"
              f"{error:9.5f}{r:9.4f}{r2:8.4f}{rms:10.1f}{rms2:9.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
