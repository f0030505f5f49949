"""Symmetry beside dials.symmetry on the same reflections: python symmetry.py EXPT REFL ...

Prints CPU seconds of each, operators' correlations, the Laue group and the space group.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import dxdask


def children() -> float:
    """Return the CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(files: list[str]) -> None:
    """Run both programs and print their figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = dxdask.import_(files, Path(folder) / "data.zarr")
        start = children()
        subprocess.run(
            [sys.executable, "-m", "dxdask", "symmetry", str(store.path)],
            check=True, capture_output=True,
        )  # fmt: skip
        print(f"dxdask symmetry: {children() - start:.1f} s of CPU")
        groups = store.table("symmetry", "laue_groups")
        print(store.table("symmetry", "operators")[["operator", "cc", "likelihood"]])
        print(groups[["group", "likelihood"]].head(3))
        print(store.table("symmetry", "space_groups").head(3))
        if shutil.which("dials.symmetry") is None:
            print("dials.symmetry is not installed")
            return
        start = children()
        paths = [str(Path(f).resolve()) for f in files]
        run = subprocess.run(
            ["dials.symmetry", *paths, "output.json=out.json"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        print(f"dials.symmetry: {children() - start:.1f} s of CPU")
        found = json.loads((Path(folder) / "out.json").read_text())
        for score in found["sym_op_scores"]:
            print(f"  {score['operator']}: {score['cc']:.3f} {score['likelihood']:.3f}")
        lines = ("Best solution", "Recommended space group")
        print("\n".join(line for line in run.stdout.splitlines() if line.startswith(lines)))


if __name__ == "__main__":
    main(sys.argv[1:])
