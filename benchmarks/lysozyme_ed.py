"""Merged intensities of the electron sweep of lysozyme by `dxdask process`, beside DIALS 3.12.

    python benchmarks/lysozyme_ed.py [--free]

DIALS's figures are those recorded in the shared folder: 46 of the 49 images, scan-varying
refinement with a fixed distance, scaled and merged with defaults to 2.48 A. The spots beyond 15 A
are beside the direct beam; (1 0 0), the strongest in DIALS's table, is a systematic absence, and
decides a correlation that it is part of. So one table is without them. Where `dials.scale` is
installed it scales dxdask's integrated table too. --free: refine the distance as well.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from shared_data import SHARED

import dxdask
from dxdask.columns import Flag
from dxdask.merging import merge
from dxdask.merging.parameters import MergingParameters

FRAMES = SHARED / "data" / "real" / "lysozyme_ed" / "#####.img.bz2"
D_MIN = 2.48
CELL = (77.8, 77.8, 40.5, 90.0, 90.0, 90.0)
RANGES: dict[str, dict[str, float]] = {
    "to 2.48 A": {"d_min": D_MIN},
    "above 7.12 A": {"d_min": 7.12},
    "15 to 2.48 A": {"d_min": D_MIN, "d_max": 15.0},
}
FIGURES = ("n_obs", "n_unique", "r_meas", "r_pim", "cc_half", "i_over_sigma")
# the last as measured with `dials.scale d_min=2.48 d_max=15` on DIALS's own integrated table
DIALS: dict[str, tuple[float | str, ...]] = {
    "to 2.48 A": (10419, 2405, 0.622, 0.283, 0.985, 3.1),
    "above 7.12 A": ("-", "-", 0.199, "-", 0.995, "-"),
    "15 to 2.48 A": (10328, 2393, 0.812, 0.367, 0.713, 2.9),
}


def processed(folder: Path, *, free: bool) -> Any:
    """Return the store of the whole job."""
    given = {} if free else {"detector.fix": "distance"}
    store = dxdask.import_(
        [],
        folder / "lysozyme_ed.zarr",
        template=str(FRAMES),
        **{"geometry.goniometer.axes": (-0.6204, -0.7843, 0.0)},
    )
    symmetry = {"unit_cell": CELL, "space_group": "P43212"}
    dxdask.find_spots(store, show=dxdask.quiet, **{"spotfinder.filter.d_min": 2.0})
    dxdask.index(store, show=dxdask.quiet, **symmetry, **given)
    dxdask.refine(store, show=dxdask.quiet, **given)
    for step in (dxdask.integrate, dxdask.scale):
        step(store, show=dxdask.quiet)
    return store


def figures(store: Any, limits: dict[str, float]) -> dict[str, Any]:
    """Return the merging statistics within limits of resolution."""
    table, experiments = store.columns("scale"), store.experiments("scale")
    result = merge(table, experiments, MergingParameters.model_validate(limits))
    return result.table("overall").rows[0]


def scaled_by_dials(store: Any, folder: Path) -> dict[str, str]:
    """Return the merging statistics of dials.scale on dxdask's integrated table."""
    if shutil.which("dials.scale") is None:
        return {}
    dxdask.export(store, format="dials", step="integrate", output=str(folder / "ours.expt"))
    command = ["dials.scale", "ours.expt", "ours.refl", f"d_min={D_MIN}"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "dials.scale.log").read_text()
    names = {"n_obs": "Total observations", "n_unique": "Total unique", "r_meas": r"Rmeas\(I\)"}
    names |= {"r_pim": r"Rpim\(I\)", "cc_half": "CC half", "i_over_sigma": "I/sigma"}
    found = {k: re.findall(rf"^{v} +(\S+)", log, re.M) for k, v in names.items()}
    return {k: v[-1] for k, v in found.items() if v}


def text(value: Any) -> str:
    """Return a figure as text."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> int:
    """Process, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--free", action="store_true", help="refine the distance as well")
    given = parser.parse_args()
    if not FRAMES.parent.exists():
        sys.stdout.write(f"no frames in {FRAMES.parent}; set DXDASK_SHARED\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="dxdask-lysozyme-"))
    try:
        store = processed(folder, free=given.free)
        flags = store.columns("integrate", ["flags"])["flags"]
        n_sum = int(np.count_nonzero(flags & Flag.INTEGRATED_SUM))
        sys.stdout.write(f"{'integrated by summation':<28}{n_sum:>12}{14162:>12}\n")
        for name, limits in RANGES.items():
            ours = figures(store, limits)
            sys.stdout.write(f"\n{name:<28}{'dxdask':>12}{'DIALS':>12}\n")
            for figure, theirs in zip(FIGURES, DIALS[name], strict=True):
                sys.stdout.write(f"{figure:<28}{text(ours[figure]):>12}{text(theirs):>12}\n")
        for figure, value in scaled_by_dials(store, folder).items():
            sys.stdout.write(f"{'dials.scale: ' + figure:<28}{value:>12}\n")
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
