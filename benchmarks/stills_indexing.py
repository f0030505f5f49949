"""Hits and crystals of the simulated XFEL run and of real stills: how many, how right, how fast.

Usage: python benchmarks/stills_indexing.py [SHARED]
Times are CPU seconds of this thread, the least of three.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import h5py
import numpy as np

from dxdask.columns import Reflections, concatenate
from dxdask.hits import HitParameters, Peakfinder8, find_hits
from dxdask.indexing.stills import KnownCell, StillIndexParameters, index_stills
from dxdask.indexing.stills.still import separation
from dxdask.models import Experiment, ExperimentList
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.storage.importers import read_runs

ROOT = Path(__file__).resolve().parent.parent
LYSOZYME = KnownCell.of((79.2, 79.2, 38.0, 90.0, 90.0, 90.0), "P43212")
DISPERSION = {"gain": 1.5, "global_threshold": 4, "sigma_background": 6, "sigma_strong": 4}
OF_RUN = {
    "force_2d": True, "filter": {"min_spot_size": 2},
    "threshold": {"algorithm": "dispersion", "dispersion": DISPERSION},
}  # fmt: skip
OF_CSPAD = {
    "force_2d": True, "filter": {"min_spot_size": 2},
    "threshold": {"algorithm": "dispersion", "dispersion": {"gain": 25, "global_threshold": 100}},
}  # fmt: skip
REAL = {
    "thermolysin_cspad": ("*.cbf", OF_CSPAD, (92.9, 92.9, 130.4, 90, 90, 120), "P6122"),
    "thaumatin_grid": ("*.bz2", {"force_2d": True}, (57.8, 57.8, 150, 90, 90, 90), "P41212"),
    "thaumatin_still": ("*.gz", {"force_2d": True}, (57.8, 57.8, 150, 90, 90, 90), "P41212"),
}


def least(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU seconds of three runs, and the result."""
    times = []
    for _ in range(3):
        start = time.thread_time()
        result = run()
        times.append(time.thread_time() - start)
    return min(times), result


def in_true_place(experiment: Experiment, path: Path) -> Experiment:
    """Return the experiment with the panels where they truly are."""
    panels = [
        replace(
            p, origin=tuple(g["origin"]), fast_axis=tuple(g["fast"]), slow_axis=tuple(g["slow"])
        )
        for p, g in zip(
            experiment.detector.panels, json.loads(path.read_text())["panels"], strict=True
        )
    ]
    return replace(experiment, detector=replace(experiment.detector, panels=tuple(panels)))


def simulated(folder: Path) -> None:
    """Print what becomes of the 53 events of the simulated run."""
    (source,) = read_runs([str(folder / "corrected.h5")])
    frames = source.reader.read(0, source.shape[0])
    nominal = source.experiment
    with h5py.File(folder / "corrected.h5") as file:
        ids = file["entry/event_id"][:].astype(np.int64)
    events = {e["event"]: e for e in json.loads((folder / "events.json").read_text())["events"]}
    truth = {
        i: np.array(events[int(k)]["A_rows_xyz_cols_abc_star"])
        for i, k in enumerate(ids)
        if events[int(k)]["kind"] == "hit"
    }
    n = len(ids)
    stills = {
        "experiment": np.zeros(n, np.int32), "image": np.arange(n, dtype=np.int32),
        "event_id": ids, "wavelength": np.array(nominal.beam.wavelengths),
    }  # fmt: skip
    spots = find_spots(
        frames, nominal, source.mask, SpotfinderParameters.model_validate(OF_RUN)
    ).reflections
    peaks = {}
    for preset in ("permissive", "default", "restrictive"):
        finder = Peakfinder8(nominal, source.mask, HitParameters(preset=preset))
        seconds, tables = least(lambda f=finder: [f(frame, i) for i, frame in enumerate(frames)])
        peaks[preset] = concatenate(tables)
        print(f"peakfinder8, {preset}: {1e3 * seconds / n:.1f} ms an event")
    found = {"spots": spots, **{f"peakfinder8 {k}": v for k, v in peaks.items()}}
    for where, experiment in (
        ("nominal", nominal),
        ("true", in_true_place(nominal, folder / "geometry_true.json")),
    ):
        for name, table in found.items():
            preset = name.split()[-1] if " " in name else "default"
            hits = find_hits(
                table, stills, ExperimentList.of([experiment]), HitParameters(preset=preset)
            )
            for cell in (True, False):
                _judge(
                    f"{where} geometry, {name}", table, dict(hits.arrays), experiment, truth, cell
                )


def _judge(
    label: str,
    spots: Reflections,
    stills: dict[str, Any],
    experiment: Experiment,
    truth: dict[int, Any],
    known: bool,
) -> None:
    symmetry = {"unit_cell": LYSOZYME.cell, "space_group": "P43212"} if known else {}
    parameters = StillIndexParameters.model_validate({"known_symmetry": symmetry})
    experiments = ExperimentList.of([experiment])
    seconds, result = least(lambda: index_stills(spots, stills, experiments, parameters))
    indexed = np.flatnonzero(result.arrays["indexed"])
    angles = [
        separation(result.arrays["a_matrix"][i], truth[i], LYSOZYME) for i in indexed if i in truth
    ]
    n_hits = int(stills["hit"].sum())
    cell = result.table("cell").rows[0]
    print(
        f"{label}, cell {'known' if known else 'unknown'}: {n_hits} hits "
        f"({sum(i not in truth for i in np.flatnonzero(stills['hit']))} blank), "
        f"{len(indexed)} indexed, {sum(a < 1 for a in angles)} right, misorientation "
        f"{np.median(angles):.3f} median {max(angles):.3f} max, rmsd "
        f"{np.median(result.arrays['rmsd_x_px'][indexed]):.2f} "
        f"{np.median(result.arrays['rmsd_y_px'][indexed]):.2f} px, a {cell['a']:.3f} c "
        f"{cell['c']:.3f}, {1e3 * seconds / n_hits:.1f} ms a hit"
    )
    if not known:
        for row in result.table("consensus").rows:
            print(f"    {row['n_crystals']} stills: {row['lattice']} {row['a']:.2f} {row['c']:.2f}")


def real(folder: Path) -> None:
    """Print what becomes of real stills."""
    for name, (pattern, values, cell, group) in REAL.items():
        tables, experiments, rows = [], [], []
        for i, path in enumerate(sorted((folder / name).glob(pattern))):
            (source,) = read_runs([str(path)])
            frames = source.reader.read(0, source.shape[0])
            spots = find_spots(
                frames, source.experiment, source.mask,
                SpotfinderParameters.model_validate(values), experiment_index=i,
            ).reflections  # fmt: skip
            tables.append(spots)
            experiments.append(source.experiment)
            scan = source.experiment.scan
            first = 0 if scan is None else scan.array_range[0]
            rows.append((i, first, source.experiment.beam.wavelength))
        columns = np.array(rows)
        stills = {
            "experiment": columns[:, 0].astype(np.int32), "image": columns[:, 1].astype(np.int32),
            "wavelength": columns[:, 2].copy(),
        }  # fmt: skip
        models = ExperimentList.of(experiments)
        spots = concatenate(tables)
        hits = dict(find_hits(spots, stills, models).arrays)
        for symmetry in ({"unit_cell": cell, "space_group": group}, {}):
            parameters = StillIndexParameters.model_validate({"known_symmetry": symmetry})
            result = index_stills(spots, hits, models, parameters)
            print(f"{name}, cell {'known' if symmetry else 'unknown'}: {result.messages[0]}")
            for row in result.table("stills").rows:
                found = row["cell"] and " ".join(f"{x:.2f}" for x in row["cell"])
                print(f"    {row['n_indexed']} of {row['n_spots']} spots, {found or row['reason']}")


def main() -> None:
    """Print all figures."""
    shared = Path(
        sys.argv[1]
        if len(sys.argv) > 1
        else os.environ.get("DXDASK_SHARED", ROOT.parent / "shared")
    )
    print(f"gemmi {gemmi.__version__}, NumPy {np.__version__}")
    simulated(shared / "data" / "stills")
    real(shared / "data" / "real")


if __name__ == "__main__":
    main()
