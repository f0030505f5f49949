"""Merged intensities beside the true ones of a simulated crystal: bias, errors, slope.

    python benchmarks/intensities_vs_truth.py [--runs 1 2 3 4 5] [--store S.zarr] [--d-max 10]

Processes runs of the insulin ensemble of the shared data by `dxdask process` without any parameter,
or takes a store made from them. One overall scale is fitted to strong reflections; a reindexing
that the lattice allows is tried. For each tenth of the true intensity and of 1/d^3: the median of I
over its true value, mean, robust standard deviation and rms of z = (I - I true) / sigma, and how
many are beyond 5. Reflections beyond --d-max, A, are left out: there the painted spots themselves
differ from the true intensities.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray
from shared_data import SHARED

import dxdask
from dxdask.arrays import Floats, Integers, Mask
from dxdask.models.symmetry import asu_indices, pack
from dxdask.storage.store.store import Store

INSULIN = SHARED / "data" / "insulin"
STRONG = 20.0  # I / sigma of reflections that the scale is fitted to


def truth(group: gemmi.SpaceGroup) -> dict[int, float]:
    """Return the true intensities by packed indices of the asymmetric unit of a group."""
    with (INSULIN / "truth_intensities.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    hkl = np.array([[int(row[c]) for c in "hkl"] for row in rows], dtype=np.int32)
    keys = pack(asu_indices(hkl, group)[0])
    return dict(zip(keys.tolist(), (float(row["I_true"]) for row in rows), strict=True))


class Matched(NamedTuple):
    """Merged reflections that have a true intensity.

    Attributes
    ----------
    key : packed indices of the asymmetric unit, in the setting of the truth. intensity, sigma : on
        its scale. true : the true intensity. d : Angstrom, of the cell of the merged reflections.
    """

    key: Integers
    intensity: Floats
    sigma: Floats
    true: Floats
    d: Floats


def matched_store(store: Store, d_max: float) -> Matched:
    """Return the merged reflections of a store beside the truth."""
    table = store.columns("merge", ["hkl", "intensity", "sigma"])
    crystal = store.experiments("merge")[0].crystal
    assert crystal is not None
    cell = gemmi.UnitCell(*crystal.unit_cell)
    return matched(table, cell, crystal.gemmi_space_group, d_max)


def true_of(
    hkl: NDArray[np.integer[Any]], intensity: Floats, cell: gemmi.UnitCell, group: gemmi.SpaceGroup
) -> tuple[Floats, Integers]:
    """Return the true intensities (n,) of indices (n, 3), and their packed indices in the truth.

    Of the settings that the lattice allows, the one is taken that intensities (n,) correlate with
    best. NaN where there is no intensity, or no true one above 0.
    """
    known = truth(group)
    best, out, key = -1.0, np.zeros(len(hkl)), np.zeros(len(hkl), np.int64)
    for op in (gemmi.Op("x,y,z"), *gemmi.find_twin_laws(cell, group, 2.0, all_ops=False)):
        new = hkl @ np.array(op.rot) // gemmi.Op.DEN
        keys = pack(asu_indices(new.astype(np.int32), group)[0])
        true = np.array([known.get(k, np.nan) for k in keys.tolist()])
        ok = np.isfinite(intensity) & (true > 0)
        correlation = float(np.corrcoef(intensity[ok], true[ok])[0, 1])
        if correlation > best:
            best, out, key = correlation, np.where(ok, true, np.nan), keys
    return out, key


def matched(
    table: Mapping[str, Any], cell: gemmi.UnitCell, group: gemmi.SpaceGroup, d_max: float
) -> Matched:
    """Return merged reflections (hkl, intensity, sigma) up to d_max beside the truth."""
    d = cell.calculate_d_array(table["hkl"])
    usable = (table["sigma"] > 0) & (d <= d_max)
    true, key = true_of(table["hkl"], np.where(usable, table["intensity"], np.nan), cell, group)
    kept = np.isfinite(true)
    i, sigma, true = table["intensity"][kept], table["sigma"][kept], true[kept]
    strong = i > STRONG * sigma
    scale = float(np.exp(np.median(np.log(i[strong] / true[strong]))))
    return Matched(key[kept], i / scale, sigma / scale, true, d[kept])


def tenths(key: Floats) -> Iterator[tuple[float, float, Mask]]:
    """Yield the ends of each tenth of a quantity (n,), and which are in it."""
    edges = np.quantile(key, np.linspace(0.0, 1.0, 11))
    for k, (low, high) in enumerate(pairwise(edges)):
        yield float(low), float(high), (key >= low) & ((key < high) | (k == 9))


def deviations(z: Floats) -> str:
    """Return the mean, robust standard deviation and rms of z, in columns."""
    spread = 1.4826 * np.median(np.abs(z - np.median(z)))
    return f"{z.mean():8.2f}{spread:7.2f}{np.sqrt(np.mean(z**2)):7.2f}"


def print_tenths(title: str, key: Floats, i: Floats, sigma: Floats, true: Floats) -> None:
    """Print a line for each tenth of a quantity."""
    print(f"{title:>24}{'n':>7}{'median':>9}{'mean z':>8}{'sd z':>7}{'rms z':>7}{'> 5':>5}")
    z = (i - true) / sigma
    for low, high, rows in tenths(key):
        print(f"{low:12.4g}{high:12.4g}{rows.sum():7d}{np.median(i[rows] / true[rows]):9.4f}"
              f"{deviations(z[rows])}{(np.abs(z[rows]) > 5).sum():5d}")  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--store", type=Path)
    parser.add_argument("--d-max", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [f for k in given.runs for f in sorted(INSULIN.glob(f"run{k}_*/*.nxs"))]
        store = (
            dxdask.process(files, Path(folder) / "insulin.zarr")
            if given.store is None
            else dxdask.open(given.store)
        )
        _, i, sigma, true, d = matched_store(store, given.d_max)
    print(f"{len(i)} reflections: correlation {np.corrcoef(i, true)[0, 1]:.6f}, slope "
          f"{(i * true).sum() / (true * true).sum():.4f}")  # fmt: skip
    print_tenths("true intensity", true, i, sigma, true)
    print_tenths("1 / d^3 (1/A^3)", d**-3.0, i, sigma, true)


if __name__ == "__main__":
    main()
