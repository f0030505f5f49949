"""Results of dxdask from the real frames of the shared folder, beside those of DIALS 3.12.

    python benchmarks/real_data.py

The electron sweep is taken through every step; of the X-ray frames the spots are counted. DIALS's
figures are those recorded in the shared folder (its sweep was integrated after scan-varying
refinement, dxdask's after a static one).
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from shared_data import SHARED

import dxdask
from dxdask.columns import Flag
from dxdask.storage.importers.dials.reflections import read_npz
from dxdask.storage.store.store import Store

REAL, REFERENCE = SHARED / "data" / "real", SHARED / "reference"
CELL = (77.8, 77.8, 40.5, 90.0, 90.0, 90.0)


def lysozyme(folder: Path) -> list[tuple[str, str, str]]:
    """Return (quantity, dxdask's, DIALS's) for the electron sweep."""
    template = str(REAL / "lysozyme_ed" / "#####.img.bz2")
    axes = {"geometry.goniometer.axes": (-0.6204, -0.7843, 0.0)}
    fix = {"detector.fix": "distance"}
    store = dxdask.import_([], folder / "lysozyme.zarr", template=template, **axes)
    dxdask.find_spots(store, show=dxdask.quiet, **{"spotfinder.filter.d_min": 2.0})
    dxdask.index(store, show=dxdask.quiet, unit_cell=CELL, space_group="P43212", **fix)
    dxdask.refine(store, show=dxdask.quiet, **fix)
    dxdask.integrate(store, show=dxdask.quiet)
    reference = REFERENCE / "lysozyme_ed"
    _, log, *_ = (reference / "logs" / "refine.log").read_text().split("RMSDs by experiment")
    rmsds = re.findall(
        r"^\|\s+0 \|\s+(\d+) \|\s+([\d.]+) \|\s+([\d.]+) \|\s+([\d.]+) \|", log, re.M
    )
    n_used, *theirs = rmsds[0]
    ours = store.table("refine", "rmsds").iloc[0]
    flags = store.columns("integrate", ["flags"])["flags"]
    n_sum = int(((flags & Flag.INTEGRATED_SUM) != 0).sum())
    theirs_integrated = read_npz(reference / "integrated.npz")
    n_theirs = int(((theirs_integrated["flags"] & Flag.INTEGRATED_SUM) != 0).sum())
    indexed = read_npz(reference / "indexed.npz")["flags"] & Flag.INDEXED
    cell = store.experiments("refine")[0].crystal
    return [
        (
            "spots",
            str(len(store.columns("find_spots", ["x"])["x"])),
            _rows(reference / "strong.npz"),
        ),
        (
            "indexed",
            str(store.table("index", "imagesets")["n_indexed"][0]),
            str((indexed != 0).sum()),
        ),
        ("used in refinement", str(ours["n"]), n_used),
        *(
            (name, f"{ours[column]:.3f}", f"{float(value):.3f}")
            for (name, column), value in zip(RMSDS.items(), theirs, strict=True)
        ),
        (
            "cell",
            " ".join(f"{x:.2f}" for x in cell.unit_cell[:3]) if cell else "-",
            _cell(reference),
        ),
        ("integrated by summation", str(n_sum), str(n_theirs)),
        ("correlation of intensities", f"{_correlation(store, theirs_integrated):.3f}", "-"),
    ]


RMSDS = {
    "RMSD x (px)": "rmsd_x_px",
    "RMSD y (px)": "rmsd_y_px",
    "RMSD z (images)": "rmsd_z_images",
}


def spots(folder: Path) -> list[tuple[str, str, str]]:
    """Return (frames, our number of spots, DIALS's) for the X-ray frames."""
    theirs = {
        "nuclease_xray": "2697",
        "thaumatin_grid": _rows(REFERENCE / "thaumatin_grid_strong_dispersion_extended.npz"),
        "thaumatin_still": "649",
    }
    rows = []
    for name, n in theirs.items():
        store = dxdask.import_(REAL / name, folder / f"{name}.zarr")
        dxdask.find_spots(store, show=dxdask.quiet)
        rows.append((f"spots of {name}", str(len(store.columns("find_spots", ["x"])["x"])), n))
    return rows


def _rows(path: Path) -> str:
    return str(len(read_npz(path)["panel"]))


def _cell(reference: Path) -> str:
    text = (reference / "logs" / "refine.log").read_text()
    found = re.findall(r"Unit cell: (.+)", text)
    lengths = re.sub(r"\(\d+\)", "", found[0]).split(",")[:3]
    return " ".join(f"{float(x):.2f}" for x in lengths)


def _correlation(store: Store, theirs: dict[str, Any]) -> float:
    """Return the correlation of summed intensities of the reflections that both integrated."""
    ours = store.columns("integrate")
    tables = []
    for table in (ours, theirs):
        good = (table["flags"] & Flag.INTEGRATED_SUM) != 0
        keys = [
            (*h, e) for h, e in zip(table["hkl"].tolist(), table["entering"].tolist(), strict=True)
        ]
        values = zip(keys, table["intensity_sum"].tolist(), good.tolist(), strict=True)
        tables.append({k: v for k, v, g in values if g})
    shared = sorted(tables[0].keys() & tables[1].keys())
    return float(np.corrcoef([[t[k] for k in shared] for t in tables])[0, 1])


def main() -> int:
    """Process, and print the table."""
    if not REAL.exists():
        sys.stdout.write(f"no real frames in {SHARED}; set DXDASK_SHARED\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="dxdask-real-"))
    try:
        rows = [("", "dxdask", "DIALS"), *lysozyme(folder), *spots(folder)]
    finally:
        shutil.rmtree(folder)
    for name, ours, theirs in rows:
        sys.stdout.write(f"{name:<28}{ours:>22}{theirs:>22}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
