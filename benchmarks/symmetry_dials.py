"""What dials.symmetry finds of simulated crystals, for `symmetry_simulated.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
from symmetry_cases import Case

from dxdask.columns import n_rows
from dxdask.models import Detector, Panel
from dxdask.storage.exporters.dials import write_experiments, write_reflections


def is_installed() -> bool:
    """Return whether dials.symmetry is on the path."""
    return shutil.which("dials.symmetry") is not None


def space_groups_of_dials(case: Case) -> list[gemmi.SpaceGroup]:
    """Return the space groups that dials.symmetry recommends, with those of equal absences.

    Empty where it ends in an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write(case, Path(folder))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            ["dials.symmetry", "x.expt", "x.refl"], cwd=folder, env=environment,
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            return []
        models = json.loads((Path(folder) / "symmetrized.expt").read_text())
    hall = models["crystal"][0]["space_group_hall_symbol"].strip()
    found = [gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall))]
    for line in done.stdout.splitlines():
        if line.startswith("Space group with equivalent score"):
            found.append(gemmi.find_spacegroup_by_name(line.split(":")[1].strip()))
        if "is equally likely" in line:
            name = line.split("space group")[-1].split("is equally")[0]
            found.append(gemmi.find_spacegroup_by_name(name.strip()))
    return found


def _write(case: Case, folder: Path) -> None:
    """Write reflections and models, with a detector and the columns that DIALS needs."""
    panel = Panel(image_size=(1000, 1000), origin=(-50.0, 50.0, -100.0))
    models = type(case.experiments).of(
        [replace(m, detector=Detector(panels=(panel,))) for m in case.experiments]
    )
    table = dict(case.reflections)
    n = n_rows(table)
    a = np.array([c.a for c in models.crystals])[table["experiment"]]
    table["d"] = 1.0 / np.linalg.norm(np.einsum("nij,nj->ni", a, table["hkl"]), axis=1)
    table |= {
        "panel": np.zeros(n, np.int32), "partial_id": np.arange(n, dtype=np.uint64),
        "x_cal": np.full(n, 500.0), "y_cal": np.full(n, 500.0),
    }  # fmt: skip
    write_experiments(folder / "x.expt", models)
    write_reflections(folder / "x.refl", table, models)
