"""Scaling and merging of L-cysteine, two sweeps integrated by DIALS, beside DIALS.

    python benchmarks/scaling.py [--recorded]

Prints CPU seconds (with the start of the interpreter) and peak memory of each command, and the
overall statistics. DIALS is run on the same files where it is installed, unless `--recorded`
selects the figures that were measured on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Cost, run
from shared_data import SHARED

DIALS_RECORDED = Cost(23.0, 23.0, 0.424)
# of its scaled.refl, by dials.export and iotbx.merging_statistics
DIALS_OVERALL = "n_obs 5548, n_unique 1495, r_meas 0.0281858, r_pim 0.0115968, cc_half 0.999426"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", action="store_true")
    given = parser.parse_args()
    files = sorted(map(str, (SHARED / "data/real/l_cysteine").glob("*_integrated.*")))
    folder = Path(tempfile.mkdtemp(prefix="dxdask-scaling-"))
    program = [sys.executable, "-m", "dxdask"]
    costs: dict[str, Cost] = {}
    for step in ("import", "scale", "merge"):
        words = [*files, "-o", "s.zarr"] if step == "import" else ["s.zarr"]
        costs[step] = run([*program, step, *words], cwd=folder, log=folder / f"{step}.log")
    if given.recorded or shutil.which("dials.scale") is None:
        costs["dials.scale, recorded"] = DIALS_RECORDED
    else:
        log = folder / "dials.log"
        costs["dials.scale"] = run(["dials.scale", *files], cwd=folder, log=log)
    for name, cost in costs.items():
        print(f"{name:22} {cost.cpu:6.2f} CPU s {cost.wall:6.2f} s {cost.memory_gb:5.2f} GB")
    shown = subprocess.run(
        [*program, "show", "s.zarr", "merge", "--json"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    overall = json.loads(shown.stdout)["steps"]["merge"]["tables"]["overall"][0]
    names = ("n_obs", "n_unique", "r_meas", "r_pim", "cc_half", "i_over_sigma")
    print("dxdask:", ", ".join(f"{name} {overall[name]:.6g}" for name in names))
    print("DIALS: ", DIALS_OVERALL)


if __name__ == "__main__":
    main()
