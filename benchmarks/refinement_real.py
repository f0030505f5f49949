"""Refinement of real and independently simulated lists, beside DIALS."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import Cost, run

from dxdask.columns import Flag, Reflections, n_rows
from dxdask.models import ExperimentList
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.geometry import goniometer_frames, observed_s1
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_reflections

DIALS_PYTHON = os.environ.get("DXDASK_DIALS_PYTHON", "/usr/bin/python3")
INSULIN_DIALS = {"static": 81.0, "static and varying": 216.7}
"""CPU seconds recorded of dials.refine (reference/insulin of SHARED)."""
LISTS: Mapping[str, Mapping[str, Any]] = {
    "lysozyme_ed": {"detector": {"fix": "distance"}},
    "phi_scan": {}, "lpe4": {}, "mxsw": {},
}  # fmt: skip
CASES: Mapping[str, Mapping[str, Any]] = {
    "static": {"scan_varying": False},
    "36 degrees": {"scan_varying": True, "interval_width_degrees": 36.0},
    "36, gauge free": {
        "scan_varying": True, "interval_width_degrees": 36.0, "fix_gauge": False,
    },
    "auto": {},
}  # fmt: skip
TO_REFL = """
import sys
import numpy as np
from dials.array_family import flex

file, table = np.load(sys.argv[1]), flex.reflection_table()
for name in ("panel", "id"):
    column = file[name].astype(int).tolist()
    table[name] = flex.size_t(column) if name == "panel" else flex.int(column)
for name in ("xyzobs.px.value", "xyzobs.px.variance"):
    table[name] = flex.vec3_double(np.ascontiguousarray(file[name], dtype=float))
for name in ("intensity.sum.value", "intensity.sum.variance"):
    table[name] = flex.double(np.ascontiguousarray(file[name], dtype=float))
table["bbox"] = flex.int6([tuple(int(x) for x in row) for row in file["bbox"]])
table["flags"] = flex.size_t(len(table), 32)
table.as_file(sys.argv[2])
"""


def insulin(shared: Path, dials: bool) -> None:
    """Print the cost of refining five runs of insulin, static, and then varying along the scan."""
    folder = shared / "reference" / "insulin"
    experiments = read_experiments(folder / "indexed.expt")
    table = indexed_by_model(folder / "strong.npz", experiments)
    print(
        f"\nfive runs of insulin, {n_rows(table)} spots; beside the CPU seconds recorded of DIALS\n"
        "case                  CPU (s)  DIALS  ratio   RMSDs of the last run (px, px, images)"
    )
    warm(experiments, table)
    cases: dict[str, dict[str, Any]] = {
        "static": {"scan_varying": False},
        "static and varying": {"scan_varying": True, "interval_width_degrees": 36.0},
        "auto": {},
    }
    for name, wanted in cases.items():
        start = time.process_time()
        result = refine(table, experiments, RefinementParameters(parameterisation=wanted))
        took, theirs = time.process_time() - start, INSULIN_DIALS.get(name, 216.7)
        row = result.table("rmsds").rows[-1]
        print(
            f"{name:20s} {took:8.2f} {theirs:6.0f}  1/{theirs / took:<5.0f} "
            f"{row['rmsd_x_px']:.3f} {row['rmsd_y_px']:.3f} {row['rmsd_z_images']:.3f}"
        )


def warm(experiments: ExperimentList, table: Reflections) -> None:
    """Compile, on a few reflections."""
    few = {name: column[::40] for name, column in table.items()}
    given = {"scan_varying": True, "interval_width_degrees": 36.0}
    refine(few, experiments, RefinementParameters(parameterisation=given))


def indexed_by_model(strong: Path, experiments: ExperimentList) -> Reflections:
    """Return the strong spots of insulin with the indices nearest to A^-1 r."""
    file = np.load(strong)
    px, variances, of = file["xyzobs.px.value"], file["xyzobs.px.variance"], file["id"]
    n = len(of)
    table: dict[str, Any] = {
        "experiment": of.astype(np.int32), "panel": np.zeros(n, np.int32),
        "hkl": np.zeros((n, 3), np.int32), "flags": np.full(n, Flag.STRONG, np.uint32),
    }  # fmt: skip
    mm, scales = np.empty_like(px), np.empty_like(px)
    for i, e in enumerate(experiments):
        mine = of == i
        mm[mine, :2] = e.detector[0].pixel_to_mm(px[mine, :2])
        mm[mine, 2] = e.scan.phi_from_z(px[mine, 2])
        scales[mine] = (*e.detector[0].pixel_size, e.scan.image_width_rad)
    for k, name in enumerate(("x_mm", "y_mm", "phi_rad")):
        table[name] = mm[:, k].copy()
        table[f"{name}_variance"] = (variances * scales**2)[:, k].copy()
    frames, axes = goniometer_frames(experiments)
    s1 = observed_s1(table, experiments)
    for i, e in enumerate(experiments):
        mine = of == i
        back = rotation_matrices(np.outer(-table["phi_rad"][mine], axes[i]))
        r = np.einsum("nij,nj->ni", back, s1[mine] - e.beam.s0)
        h = r @ np.linalg.inv(frames[i] @ e.crystal.a).T
        good = (np.abs(h - np.round(h)) < 0.3).all(axis=1)
        table["hkl"][mine] = np.where(good[:, None], np.round(h), 0)
        table["flags"][mine] |= np.where(good, Flag.INDEXED, 0).astype(np.uint32)
    return table


def real(shared: Path, dials: bool) -> None:
    """Print RMSDs of the real lists, static and along the scan; with DIALS where it is run."""
    print("\nreal lists, RMSDs in px, px, images")
    with tempfile.TemporaryDirectory() as scratch:
        for name, wanted in LISTS.items():
            found = indexed(shared, name, Path(scratch))
            if found is None:
                print(f"{name}: dials.index, which indexes this list, is not installed")
                continue
            experiments = read_experiments(found / "indexed.expt")
            table = read_reflections(found / "indexed.refl")
            for case, given in CASES.items():
                result = refine(
                    table, experiments,
                    RefinementParameters.model_validate({"parameterisation": {**wanted, **given}}),
                )  # fmt: skip
                for row in result.table("rmsds").rows:
                    keys = ("n", "rmsd_x_px", "rmsd_y_px", "rmsd_z_images")
                    print(line(name, case, *(row[k] for k in keys)))
            if dials:
                for case, varying in (("DIALS static", "false"), ("DIALS 36 degrees", "true")):
                    fixed = ["detector.fix=distance"] if wanted else []
                    _, rows = dials_refine(found, Path(scratch), varying, fixed)
                    for row in rows:
                        print(line(name, case, *row))


def line(name: str, case: str, n: float, x: float, y: float, z: float) -> str:
    """Return one line of the table."""
    return f"{name:12s} {case:17s} {n:6.0f} {x:8.4f} {y:8.4f} {z:8.4f}"


def indexed(shared: Path, name: str, scratch: Path) -> Path | None:
    """Return the folder of indexed.expt and indexed.refl; strong lists are indexed by DIALS."""
    folder = shared / "reference" / name
    if (folder / "indexed.refl").exists():
        return folder
    if not Path(DIALS_PYTHON).exists() or not Path("/usr/bin/dials.index").exists():
        return None
    out, strong = scratch / name, shared / "data" / "real" / "strong_spots"
    out.mkdir()
    command = [DIALS_PYTHON, "-c", TO_REFL, str(strong / f"{name}.npz"), str(out / "strong.refl")]
    run(command, cwd=out, log=out / "refl.log")
    command = ["/usr/bin/dials.index", str(strong / f"{name}.expt"), str(out / "strong.refl")]
    run(command, cwd=out, log=out / "index.log")
    return out


def dials_refine(
    folder: Path, scratch: Path, varying: str, more: list[str]
) -> tuple[Cost, list[tuple[float, float, float, float]]]:
    """Return the cost of dials.refine, and number of reflections and RMSDs by experiment."""
    log = scratch / f"{folder.name}_{varying}.log"
    command = ["/usr/bin/dials.refine", str(folder / "indexed.expt"), str(folder / "indexed.refl")]
    command += [f"scan_varying={varying}", *more]
    spent = run(command, cwd=scratch, log=log)
    last = log.read_text().rsplit("RMSDs by experiment", 1)[-1]
    rows = re.findall(r"^\|\s+\d+ \|\s+(\d+) \|\s+(\S+) \|\s+(\S+) \|\s+(\S+) \|$", last, re.M)
    return spent, [tuple(float(v) for v in row) for row in rows]
