"""Insulin's displaced module (header: one panel for two modules), without and with modules.

Prints the module's move with its standard uncertainty and z against the truth, cell, distance,
orientation and RMSDs, beside those of DIALS's two-panel
control by hand on run 5, and the CPU time of refinement.

    python benchmarks/modules.py [--runs 5] [--store STORE] [--scan-varying]

--store : with spots and index of these runs, to refine again instead of beginning with frames.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray
from shared_data import SHARED

import dxdask
from dxdask.refinement import RefinementParameters
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.refine import refine_with_modules
from dxdask.results import StepResult
from dxdask.storage.store.store import Store

DIALS = (
    "DIALS, two panels by hand, run 5: +0.28, +1.48 px; 78.0066(16) A; 100.11 mm; 0.107, 0.110 px"
)


def indexed(runs: int, path: Path) -> Store:
    """Return a store with the spots of the first runs, indexed."""
    files = sorted((SHARED / "data" / "insulin").glob("run*/*.nxs"))[-runs:]
    store = dxdask.import_([str(f) for f in files], path, link=True)
    dxdask.find_spots(store)
    dxdask.index(store, space_group="I213")
    return store


def orientation_error(u: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Return the angle, degrees, between orientations of a cubic lattice."""
    group = gemmi.find_spacegroup_by_name("P 4 3 2").operations()
    best = 180.0
    for op in group.sym_ops:
        turn = np.array(op.rot, dtype=np.float64) / op.DEN
        cosine = (np.trace(u @ turn @ true.T) - 1.0) / 2.0
        best = min(best, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))))
    return best


def figures(result: StepResult, truth: dict[str, Any]) -> list[str]:
    """Return the figures of a refinement, as lines."""
    lines = []
    if any(t.name == "modules" for t in result.tables):
        row = result.table("modules").rows[-1]
        for axis, true in (
            ("fast", truth["modules"][1][3][0]),
            ("slow", truth["modules"][1][3][1]),
        ):
            value, su = row[f"shift_{axis}_px"], row[f"shift_{axis}_su"]
            z = (value - true) / su
            lines.append(
                f"module 2 along {axis}: {value:+.4f}({su:.4f}) px, true {true:+.2f}, z {z:+.1f}"
            )
    crystal = result.experiments.crystals[-1]
    su = (crystal.cell_su or (float("nan"),))[0]
    detector = result.experiments.detectors[-1]
    rmsds = np.array(
        [[r["rmsd_x_px"], r["rmsd_y_px"], r["rmsd_z_images"]] for r in result.table("rmsds").rows]
    )
    lines += [
        f"cell {crystal.unit_cell[0]:.4f}({su:.4f}) A, true {truth['cell'][0]:.3f}",
        f"distance {detector[0].distance:.3f} mm, true {truth['distance']:.2f}",
        f"orientation off by {orientation_error(crystal.u, np.array(truth['U'])):.4f} degree",
        "RMSD x, y (px), z (images) by run: "
        + "; ".join(" ".join(f"{v:.4f}" for v in row) for row in rmsds),
        f"used {sum(r['n'] for r in result.table('rmsds').rows)} reflections",
    ]
    return lines


def main() -> int:
    """Refine and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="the last runs")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--scan-varying", action="store_true", help="crystals may vary")
    options = parser.parse_args()
    truth = json.loads((SHARED / "data" / "insulin" / "truth.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        store = (
            indexed(options.runs, Path(folder) / "insulin.zarr")
            if options.store is None
            else dxdask.open(options.store)
        )
        table, experiments = store.columns("index"), store.experiments("index")
        masks = {run: store.mask(run) for run in store.runs}
    given = RefinementParameters.model_validate(
        {"parameterisation": {"scan_varying": "auto" if options.scan_varying else False}}
    )
    for modules in ("none", "auto"):
        choice = ModuleParameters.model_validate({"modules": modules})
        refine_with_modules(table, experiments, given, masks, choice)  # kernels are compiled
        start = time.process_time()
        result = refine_with_modules(table, experiments, given, masks, choice)
        seconds = time.process_time() - start
        sys.stdout.write(f"detector.modules={modules}: {seconds:.1f} CPU s\n")
        sys.stdout.write("".join(f"  {line}\n" for line in figures(result, truth)))
    sys.stdout.write(DIALS + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
