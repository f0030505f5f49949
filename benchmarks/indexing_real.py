"""Real spots of the shared folder indexed, beside the recorded figures of DIALS 3.12."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy

import dxdask
from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import DxdaskError
from dxdask.indexing import IndexParameters, index
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz

# Indexed spots, as recorded in the shared folder's reference/README.md.
DIALS_LISTS = {"phi_scan": 2006, "lpe4": 1174, "mxsw": 1353}
DIALS_NUCLEASE = 2465  # of 2697 spots, P41
DIALS_INSULIN_CPU_S = 267.0
GOAL = 30.0
SAME_PX = 1e-3
KINDS = ("rmsd_x_px", "rmsd_y_px", "rmsd_z_images")


def load(models: Path, spots: Path) -> tuple[Reflections, ExperimentList]:
    """Return spots and experiments of files with DIALS's names."""
    table = read_npz(spots)
    n = n_rows(table)
    table.setdefault("panel", np.zeros(n, dtype=np.int32))
    table.setdefault("flags", np.full(n, Flag.STRONG, dtype=np.uint32))
    table["experiment"] = np.maximum(table["experiment"], 0)
    return table, read_experiments(models)


def print_real(shared: Path) -> None:
    """Print the number of indexed spots and the RMSDs of each set."""
    print(f"\nreal spots\n{'set':<22}{'spots':>8}{'indexed':>9}{'DIALS':>8}   RMSD x, y (px), z "
          "(images), largest   DIALS's")  # fmt: skip
    lists = shared / "data" / "real" / "strong_spots"
    for name, theirs in DIALS_LISTS.items():
        _line(name, *load(lists / f"{name}.expt", lists / f"{name}.npz"), theirs, {}, {})
    electrons = shared / "reference" / "lysozyme_ed"
    known = {"space_group": "P43212", "unit_cell": (77.8, 77.8, 40.5, 90.0, 90.0, 90.0)}
    indexed = read_npz(electrons / "indexed.npz")
    n_theirs = int(np.count_nonzero(has_flag(indexed, Flag.INDEXED)))
    spots = load(electrons / "imported.expt", electrons / "strong.npz")
    fix = {"parameterisation": {"detector": {"fix": "distance"}}}
    result = _line("lysozyme_ed", *spots, n_theirs, known, fix, _rmsds_of_log(electrons))
    if result is not None:
        _same_spots(result, indexed, fix)
    _line("nuclease, P41", *_nuclease(shared), DIALS_NUCLEASE, {"space_group": "P41"}, {})


def _line(
    name: str,
    spots: Reflections,
    experiments: ExperimentList,
    n_dials: int,
    known: dict[str, Any],
    refinement: dict[str, Any],
    rmsds_dials: str = "",
) -> StepResult | None:
    parameters = IndexParameters(known_symmetry=known)
    try:
        result = index(spots, experiments, parameters, RefinementParameters(**refinement))
    except DxdaskError as error:
        print(f"{name:<22}{n_rows(spots):>8}   not indexed: {error}")
        return None
    n = int(np.count_nonzero(has_flag(result.reflections, Flag.INDEXED)))
    rows = result.table("rmsds").rows
    rmsds = " ".join(f"{max(row[kind] for row in rows):.3f}" for kind in KINDS)
    print(f"{name:<22}{n_rows(spots):>8}{n:>9}{n_dials:>8}   {rmsds:<38}{rmsds_dials}", flush=True)
    return result


def _same_spots(result: StepResult, theirs: Reflections, refinement: dict[str, Any]) -> None:
    """Print the RMSDs of both over the spots that DIALS refined against and we indexed.

    As they are after indexing, and after our refinement against just these.
    """
    ours = result.reflections
    places = [np.column_stack([t[k] for k in "xyz"]) for t in (ours, theirs)]
    distance, row = scipy.spatial.cKDTree(places[1]).query(places[0])
    both = (distance < SAME_PX) & has_flag(ours, Flag.INDEXED)
    both &= has_flag(theirs, Flag.USED_IN_REFINEMENT)[row]
    every: dict[str, Any] = {
        "outlier": {"algorithm": None}, "reflections_per_degree": None,
        "close_to_spindle_cutoff": 0.0, "min_zeta": 0.0,
    }  # fmt: skip
    given = RefinementParameters(reflections=every, **refinement)
    given = given.model_copy(
        update={
            "parameterisation": given.parameterisation.model_copy(update={"scan_varying": False})
        }
    )
    again = refine(select(ours, np.flatnonzero(both)), result.experiments, given).reflections
    for label, table, rows in (
        ("spots DIALS used", ours, both),
        ("refined against them", again, slice(None)),
    ):
        texts = [_rms(table, rows), _rms(theirs, row[both])]
        print(
            f"{'  ' + label:<22}{'':>8}{int(both.sum()):>9}{'':>8}   {texts[0]:<38}{texts[1]}",
            flush=True,
        )


def _rms(table: Reflections, rows: Any) -> str:
    """Return the RMSDs of rows of a table, px and images."""
    return " ".join(
        f"{np.sqrt(np.mean((table[f'{k}_cal'][rows] - table[k][rows]) ** 2)):.3f}" for k in "xyz"
    )


def _rmsds_of_log(folder: Path) -> str:
    """Return the last RMSDs of the log of DIALS's index, empty where there is none."""
    log = folder / "logs" / "index.log"
    if not log.exists():
        return ""
    found = re.findall(
        r"^\|\s+0 \|\s+\d+ \|\s+([\d.]+) \|\s+([\d.]+) \|\s+([\d.]+) \|", log.read_text(), re.M
    )
    return " ".join(found[-1]) if found else ""


def _nuclease(shared: Path) -> tuple[Reflections, ExperimentList]:
    """Return the spots that dxdask finds on the three X-ray frames."""
    folder = Path(tempfile.mkdtemp(prefix="dxdask-nuclease-"))
    try:
        store = dxdask.import_(shared / "data" / "real" / "nuclease_xray", folder / "n.zarr")
        dxdask.find_spots(store, show=dxdask.quiet)
        return store.columns("find_spots"), store.experiments("find_spots")
    finally:
        shutil.rmtree(folder)


def print_insulin(shared: Path) -> None:
    """Print the CPU time that indexing all five insulin runs takes, space group known."""
    folder = shared / "reference" / "insulin"
    spots, experiments = load(folder / "imported.expt", folder / "strong.npz")
    parameters = IndexParameters(known_symmetry={"space_group": "I213"})
    start = time.process_time()
    result = index(spots, experiments, parameters, RefinementParameters())
    cpu = time.process_time() - start
    n = int(np.count_nonzero(has_flag(result.reflections, Flag.INDEXED)))
    print(
        f"\ninsulin, five runs: {n} of {n_rows(spots)} spots indexed in {cpu:.1f} CPU s; DIALS "
        f"{DIALS_INSULIN_CPU_S:.0f} CPU s, {DIALS_INSULIN_CPU_S / cpu:.0f} times as long "
        f"(goal {GOAL:.0f})"
    )
