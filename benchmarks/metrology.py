"""Accuracy of the panels that metrology refines from the simulated run, and the cost of the fit.

    python benchmarks/metrology.py [SHARED]

Runs `stills_process` on the 40 hits of data/stills with the geometry of the file, then
`refine_metrology` with several recipes, then `stills_process` with what was refined. Beside the
figures recorded of CrystFEL 0.12 and DIALS 3.12 on the same frames (reference/stills). Seconds are
CPU of this thread for the fit alone, the least of three. Worst is the length of the offset (of the
peers: its larger coordinate).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import dxdask
from dxdask.graphs.stills.stored import stills_of
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.still import separation
from dxdask.models import Detector, Experiment
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline.metrology.shifts import compare
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline.stills.process import stills_process
from dxdask.refinement.metrology import MetrologyParameters
from dxdask.refinement.metrology.congruence import Congruence, congruence
from dxdask.refinement.metrology.joint_refinement import refine_detector as fit
from dxdask.refinement.metrology.panel_frames import with_panel_frames
from dxdask.results import StepResult
from dxdask.storage.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
LYSOZYME = KnownCell.of((79.2, 79.2, 38.0, 90.0, 90.0, 90.0), "P43212")
GIVEN: dict[str, Any] = {
    "dispatch.integrate": False, "cluster": {"cores": 1},
    "indexing.known_symmetry": {"unit_cell": LYSOZYME.cell, "space_group": "P43212"},
    "spotfinder.filter.min_spot_size": 2, "spotfinder.threshold.algorithm": "dispersion",
    "spotfinder.threshold.dispersion": {
        "gain": 1.5, "global_threshold": 4, "sigma_background": 6, "sigma_strong": 4,
    },
}  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "whole without tilt": {"detector.whole": ("shift", "distance")},
    "panels tilt too": {"detector.parts": ("shift", "rotation", "tilt")},
    "panels move in all six": {"detector.parts": ("shift", "rotation", "tilt", "distance")},
    "no stills rejected": {"rmsd_filter.enable": False},
    "cells fixed": {"cell.fix": True},
    "cells free": {"cell.restraint": None},
    "20 stills": {"n_subset": 20},
}
PEERS = (
    "CrystFEL, one pass               0.021    0.049    0.008     110.00",
    "CrystFEL, three passes           0.009    0.018    0.005     110.22    0.1",
    "DIALS, cell restrained           0.014    0.027    0.004    110.287     20",
    "DIALS, tilts first               0.342    0.740    0.031    110.167     20",
)


@dataclass(frozen=True)
class Truth:
    """True positions of the panels, and the A matrices of the events by their row."""

    geometry: Path
    a_matrix: dict[int, np.ndarray[Any, Any]]

    def off(self, path: Path, panels: np.ndarray[Any, Any] | None = None) -> Congruence:
        """Return the differences of a store's detector, or of panels given, from the truth."""
        compared = compare(path, self.geometry)
        found: Detector = (
            compared.before if panels is None else with_panel_frames(compared.after, panels)
        )
        return congruence(compared.after, found, compared.beam)


def truth_of(folder: Path) -> Truth:
    events = json.loads((folder / "events.json").read_text())["events"]
    by_id = {e["event"]: e for e in events}
    with h5py.File(folder / "corrected.h5") as file:
        ids = file["entry/event_id"][:].astype(np.int64)
    return Truth(
        folder / "geometry_true.json",
        {
            row: np.array(by_id[int(i)]["A_rows_xyz_cols_abc_star"])
            for row, i in enumerate(ids)
            if by_id[int(i)]["kind"] == "hit"
        },
    )


def least(call: Callable[[], Any]) -> float:
    """Return the least CPU seconds of three runs."""
    times = []
    for _ in range(3):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def line(name: str, found: Congruence, seconds: float | None = None) -> None:
    took = "" if seconds is None else f"{seconds:7.2f}"
    print(
        f"{name:30s} {10 * found.centres:7.4f}  {10 * found.worst:7.4f}  {found.rotations:7.4f}  "
        f"{found.distances[1]:9.3f}{took}"
    )


def indexed(label: str, store: Store, truth: Truth) -> None:
    """Print how well stills were indexed."""
    stills = store.arrays("index")
    rows = np.flatnonzero(stills["indexed"])
    angles = np.array(
        [separation(stills["a_matrix"][i], truth.a_matrix[i], LYSOZYME) for i in rows]
    )
    cell = store.read_step("index").table("cell").rows[0]
    x, y = (np.median(stills[f"rmsd_{axis}_px"][rows]) for axis in "xy")
    print(
        f"{label}: {len(rows)} of {int(stills['hit'].sum())} hits, {int((angles < 1).sum())} "
        f"right, RMSD {x:.3f} {y:.3f} px, misorientation {np.median(angles):.3f} median "
        f"{angles.max():.3f} max, a {cell['a']:.3f} ({cell['a_spread']:.3f}) "
        f"c {cell['c']:.3f} ({cell['c_spread']:.3f})"
    )


def main() -> None:
    """Print all figures."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("DXDASK_SHARED")
    folder = Path(given or ROOT.parent / "shared") / "data" / "stills"
    truth, raw = truth_of(folder), [folder / "corrected.h5"]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "s.zarr"
        first = with_assignments(StillsProcessParameters(), flatten(GIVEN))
        store = stills_process(raw, path, first, lambda *_: None)
        index = store.read_step("index")
        experiment = index.experiments[0]
        print(f"{'panels against the truth':28s} rms (px) worst (px)  rot. (deg) distance  fit (s)")
        line("nominal", truth.off(path))
        for name, recipe in RECIPES.items():
            parameters = with_assignments(MetrologyParameters(), flatten(recipe))
            dxdask.refine_metrology(path, parameters)
            line(name, truth.off(path), cost(index, experiment, parameters))
        dxdask.refine_metrology(path)
        for half in ("odd", "even"):
            panels = store.arrays("refine_metrology")[f"panels_{half}"]
            line(f"{half} stills", truth.off(path, panels))
        print("\n".join(PEERS))
        print()
        indexed("nominal geometry", store, truth)
        for number in ("first", "second"):
            again = with_assignments(first, [("input.reference_geometry", str(path))])
            found = stills_process([path], None, again, lambda *_: None)
            indexed(f"{number} refined geometry", found, truth)
            dxdask.refine_metrology(path)
        line("refined from refined", truth.off(path))


def cost(index: StepResult, experiment: Experiment, parameters: MetrologyParameters) -> float:
    """Return the CPU seconds of one fit, with no halves."""
    if experiment.crystal is None:
        raise SystemExit("the step index has no cell")
    crystal, alone = experiment.crystal, parameters.model_copy(update={"split_dataset": False})
    group = crystal.gemmi_space_group
    return least(
        lambda: fit(
            index.reflections, stills_of(index), experiment, crystal.unit_cell, group, alone
        )
    )


if __name__ == "__main__":
    main()
