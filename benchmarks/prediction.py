"""Prediction: reflections a second of CPU, and memory, of dxdask and of DIALS.

    python benchmarks/prediction.py [--shared FOLDER] [--repeats 3]

Models of the reference results: insulin (static, and with equal scan points), electron diffraction
of lysozyme (static and varying), and insulin on a scan of 1800 images over 180 degrees (static, and
drifting by half a degree). Times are the least of the repeats, in one thread; memory is what a
process of its own gains by it. DIALS is run by DXDASK_DIALS_PYTHON (/usr/bin/python3) where there
is one, on the same models by way of .expt files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import peak
from spotfinding_dials import environment

from dxdask.models import Experiment, ExperimentList, Scan
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.prediction import predict_all
from dxdask.storage.exporters.dials import write_experiments
from dxdask.storage.importers.dials.files import read_experiments

DIALS_PYTHON = os.environ.get("DXDASK_DIALS_PYTHON", "/usr/bin/python3")
DIALS = """
import json, resource, sys, time
from dials.algorithms.spot_prediction.reflection_predictor import ReflectionPredictor
from dxtbx.model.experiment_list import ExperimentList

models, force = sys.argv[1], sys.argv[2] == "1"
d_min, repeats = float(sys.argv[3]), int(sys.argv[4])
e = ExperimentList.from_file(models, check_format=False)[0]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = []
for _ in range(repeats):
    start = time.process_time()
    n = len(ReflectionPredictor(e, dmin=d_min, force_static=force, padding=0)())
    seconds.append(time.process_time() - start)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([n, min(seconds), (after - before) / 1e3]))
"""


def cases(shared: Path) -> dict[str, tuple[Experiment, float]]:
    """Return experiments and limits of resolution (A), by name."""
    insulin = read_experiments(shared / "reference/insulin/integrated.expt")[4]
    lysozyme = read_experiments(shared / "reference/lysozyme_ed/integrated.expt")[0]
    long = replace(insulin, scan=Scan(image_range=(1, 1800), oscillation=(0.0, 0.1)))
    static = replace(lysozyme.crystal, scan_points=None)
    return {
        "insulin, static": (insulin, 1.2),
        "insulin, equal scan points": (drifting(insulin, 0.0), 1.2),
        "lysozyme ED, static": (replace(lysozyme, crystal=static), 1.7),
        "lysozyme ED, varying": (lysozyme, 1.7),
        "1800 images, static": (long, 1.2),
        "1800 images, drifting": (drifting(long, 0.5), 1.2),
    }


def drifting(e: Experiment, degrees: float) -> Experiment:
    """Return the experiment with a crystal that rotates steadily by an angle during the scan."""
    assert e.crystal is not None
    assert e.scan is not None
    angles = np.deg2rad(degrees) * np.linspace(0, 1, e.scan.n_images + 1)
    points = tuple(matrix(rotation_matrix((1, 2, 3), a) @ e.crystal.a) for a in angles)
    return replace(e, crystal=replace(e.crystal, scan_points=points))


def measured(e: Experiment, d_min: float, repeats: int) -> tuple[int, float, float]:
    """Return the number of reflections, seconds of CPU, and MB that they took."""
    predict_all(e, d_min=20.0)  # compiled, or read from the cache
    before, seconds = peak(), []
    n = 0
    for _ in range(repeats):
        start = time.process_time()
        n = len(predict_all(e, d_min=d_min, padding=0.0)["d"])
        seconds.append(time.process_time() - start)
    return n, min(seconds), (peak() - before) / 1e6


def of_dials(e: Experiment, d_min: float, repeats: int) -> tuple[int, float, float] | None:
    """Return the same of DIALS; None where it is not installed."""
    if not Path(DIALS_PYTHON).exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.expt"
        write_experiments(path, ExperimentList.of([e]))
        force = e.crystal is None or e.crystal.scan_points is None
        given = [str(path), str(int(force)), str(d_min), str(repeats)]
        done = subprocess.run(
            [DIALS_PYTHON, "-c", DIALS, *given], capture_output=True, text=True, check=False,
            env={**os.environ, **environment()}, cwd=folder,
        )  # fmt: skip
    if done.returncode:
        print(done.stderr[-500:], file=sys.stderr)
        return None
    n, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return n, seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--shared", type=Path, default=Path(os.environ.get("DXDASK_SHARED", "../shared"))
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    every = cases(given.shared)
    if given.one:
        print(json.dumps(measured(*every[given.one], given.repeats)))
        return
    columns = ("reflections", "CPU s", "per s", "MB")
    heads = ["model", *columns, *(f"DIALS {c}" for c in columns), "ratio"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for name, (e, d_min) in every.items():
        own = [sys.executable, __file__, "--shared", str(given.shared), "--one", name]
        text = subprocess.run(
            [*own, "--repeats", str(given.repeats)], capture_output=True, text=True, check=True
        ).stdout
        ours, theirs = json.loads(text), of_dials(e, d_min, given.repeats)
        row = [name, *figures(ours), *(("", "", "", "") if theirs is None else figures(theirs))]
        row.append("" if theirs is None else f"1/{theirs[1] / ours[1]:.1f}")
        print(f"| {' | '.join(row)} |", flush=True)


def figures(found: tuple[int, float, float]) -> list[str]:
    n, seconds, megabytes = found
    return [f"{n}", f"{seconds:.3f}", f"{n / seconds / 1e6:.2f} M", f"{megabytes:.0f}"]


if __name__ == "__main__":
    main()
