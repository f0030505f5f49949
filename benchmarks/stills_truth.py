"""Simulated XFEL events, from the files to merged intensities, against the truth.

    python benchmarks/stills_truth.py [SHARED] [--keep FOLDER]

For the geometry of the files, that which metrology refines from them, and the true one: hits and
crystals; merged intensities with all observations at their weights, and with those of which 0.3 was
recorded at least, by `judge/merged_vs_truth.py` of SHARED and by how far they are from the truth in
their standard deviations (rms z), after one scale and one B factor, by partiality and resolution.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import gemmi
import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.still import separation
from dxdask.models.symmetry import asu_indices, pack
from dxdask.pipeline.export import export_store
from dxdask.pipeline.export_parameters import ExportParameters
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline.stills.process import stills_process
from dxdask.storage.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
D_MIN = 2.4
CELL, GROUP = (79.2, 79.2, 38.0, 90.0, 90.0, 90.0), "P43212"
PARAMETERS: dict[str, Any] = {
    "indexing": {"known_symmetry": {"unit_cell": CELL, "space_group": GROUP}},
    "spotfinder": {
        "force_2d": True, "filter": {"min_spot_size": 2},
        "threshold": {"algorithm": "dispersion", "dispersion": {
            "gain": 1.5, "global_threshold": 4, "sigma_background": 6, "sigma_strong": 4}},
    },
    "cluster": {"cores": 1},
}  # fmt: skip
OF_PARTIALITY = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.01)
OF_RESOLUTION = (2.4, 2.6, 2.8, 3.0, 3.3, 3.8, 4.8, 40.0)
# recorded in reference/stills of SHARED; misorientation in degree, merged intensities to 2.4 A
PEERS = (
    "geometry of the files: CrystFEL 40 right, DIALS 39",
    "true geometry: CrystFEL misorientation 0.022 median",
    "refined geometry, CrystFEL xsphere above 0.3: CC 0.976, completeness 0.54",
    "refined geometry, CrystFEL offset above 0.05: CC 0.930, completeness 0.67",
)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    given = os.environ.get("DXDASK_SHARED", str(ROOT.parent / "shared"))
    parser.add_argument("shared", nargs="?", type=Path, default=Path(given))
    parser.add_argument("--keep", type=Path, help="folder for the stores; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        keep = options.keep or Path(temporary)
        keep.mkdir(parents=True, exist_ok=True)
        data = options.shared / "data" / "stills"
        path = keep / "stills.zarr"
        processed(path, None, None, events=data / "corrected.h5")
        cases = [("geometry of the files", None), ("true geometry", data / "geometry_true.json")]
        if refine_metrology(path):
            shutil.copytree(path, keep / "metrology.zarr", dirs_exist_ok=True)
            cases.insert(1, ("refined geometry", keep / "metrology.zarr"))
        for name, geometry in cases:
            print(f"\n{name}\n{'=' * len(name)}")
            for least in (None, 0.3):
                store = processed(path, geometry, least)
                if least is None:
                    crystals(store, data)
                merged(store, least, options.shared, keep / "merged.mtz")
    print("\nothers, as recorded", *PEERS, sep="\n    ")


def processed(
    path: Path, geometry: Path | None, least: float | None, events: Path | None = None
) -> Store:
    """Return the store of the 53 events, processed from their file or resumed."""
    values = PARAMETERS | {"input": {"reference_geometry": geometry}}
    if least is not None:
        values["merging"] = {"min_partiality": least}
    parameters = StillsProcessParameters.model_validate({**values, "overwrite": events is not None})
    store, given = (path, events) if events is not None else (None, path)
    return stills_process([given], store, parameters, lambda *_: None)


def refine_metrology(path: Path) -> bool:
    """Refine the metrology of a store; return whether that is to be had."""
    command = [sys.executable, "-m", "dxdask", "refine_metrology", str(path), "cluster.cores=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"no refined geometry: {done.stderr.strip()}")
        return False
    return True


def crystals(store: Store, data: Path) -> None:
    """Print the fates of the events."""
    with h5py.File(data / "corrected.h5") as file:
        ids = file["entry/event_id"][:].tolist()
    listed = json.loads((data / "events.json").read_text())["events"]
    events = {e["event"]: e for e in listed}
    own = [events[i] for i in ids]
    true = {
        i: np.array(e["A_rows_xyz_cols_abc_star"]) for i, e in enumerate(own) if e["kind"] == "hit"
    }
    stills, known = store.arrays("index"), KnownCell.of(CELL, GROUP)
    hits, indexed = (np.flatnonzero(stills[name]).tolist() for name in ("hit", "indexed"))
    angles = [separation(stills["a_matrix"][i], true[i], known) for i in indexed if i in true]
    rmsd = [np.median(stills[name][indexed]) for name in ("rmsd_x_px", "rmsd_y_px")]
    print(
        f"{len(hits)} hits of {len(true)} ({sum(i not in true for i in hits)} blank), "
        f"{len(indexed)} indexed ({sum(i not in true for i in indexed)} blank), "
        f"{sum(a < 1 for a in angles)} right\n"
        f"median RMSD {rmsd[0]:.3f} {rmsd[1]:.3f} px, misorientation {np.median(angles):.4f} "
        f"degree (largest {max(angles):.4f})"
    )


def merged(store: Store, least: float | None, shared: Path, mtz: Path) -> None:
    """Print how merged intensities compare to the truth."""
    export_store(store, ExportParameters(output=str(mtz)))
    print(f"\nmerging.min_partiality={'default' if least is None else least}, to {D_MIN} A")
    truth = shared / "data" / "stills" / "true_intensities.csv"
    judge = [str(shared / "judge" / "merged_vs_truth.py"), str(mtz), str(truth)]
    done = subprocess.run(
        [sys.executable, *judge, "--dmin", str(D_MIN)], capture_output=True, text=True, check=True
    )
    print(done.stdout, end="")
    table = store.columns("merge")
    kept = table["d"] >= D_MIN
    d, p, n = (table[name][kept] for name in ("d", "partiality", "n_observations"))
    z = deviations({name: column[kept] for name, column in table.items()}, truth)
    z2, one = np.sort(z**2), z[n == 1]
    print(
        f"rms z {rms(z):.2f}; but for the worst 1 % {np.sqrt(z2[: int(0.99 * len(z2))].mean()):.2f}"
        f"; beyond 3: {(np.abs(z) > 3).mean():.4f}; seen once {rms(one):.2f} ({len(one)})"
    )
    bins("partiality", p, z, OF_PARTIALITY)
    bins("resolution", d, z, OF_RESOLUTION)


def bins(name: str, values: Floats, z: Floats, edges: tuple[float, ...]) -> None:
    """Print rms z in bins."""
    for low, high in pairwise(edges):
        own = z[(values >= low) & (values < high)]
        if len(own):
            mark = "" if 0.8 <= rms(own) <= 1.3 else "  <-"
            print(f"    {name} {low:5.2f} to {high:5.2f}: {len(own):5d} rms z {rms(own):.2f}{mark}")


def rms(z: Floats) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(z**2)))


def deviations(table: dict[str, Any], truth: Path) -> Floats:
    """Return intensities less the truth over their sigmas (n,), after one scale and B factor."""
    lines = truth.read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    group = gemmi.SpaceGroup(GROUP)
    keys = pack(asu_indices(np.array([[int(r[c]) for c in "hkl"] for r in rows]), group)[0])
    known = dict(zip(keys.tolist(), [float(r["I"]) for r in rows], strict=True))
    true = np.array([known[k] for k in pack(table["hkl"]).tolist()])
    got, sigma = table["intensity"], table["sigma"]
    strong = (got > 10 * sigma) & (true > np.median(true))
    design = np.stack([np.ones(len(true)), table["d"] ** -2], axis=1)
    ratio, weight = np.log(got[strong] / true[strong]), np.ones(int(strong.sum()))
    for _ in range(20):
        fit = np.linalg.lstsq(design[strong] * weight[:, None], ratio * weight, rcond=None)[0]
        off = np.abs(ratio - design[strong] @ fit)
        weight = 1 / np.sqrt(1 + (off / np.median(off)) ** 2)
    return np.asarray((got - true * np.exp(design @ fit)) / sigma)


if __name__ == "__main__":
    main()
