"""Geometry of raw files as dxdask and DIALS read it, and where they differ.

    python benchmarks/geometry_vs_dials.py FILE_OR_FOLDER ... [--tolerance 1e-6] [--differing]

A line for each file that either can import; of files with one image each, the first of a template.
DIALS is run by DXDASK_DIALS_PYTHON (/usr/bin/python3), which has to import dxtbx.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from spotfinding_dials import environment

from dxdask.errors import DxdaskError
from dxdask.models import Experiment
from dxdask.storage.formats.registry import known_suffixes
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.files import group_files

DIALS_PYTHON = os.environ.get("DXDASK_DIALS_PYTHON", "/usr/bin/python3")
MANY = 3600.0  # s for all files together
PROGRAM = """
import json, sys, warnings
warnings.filterwarnings("ignore")
from dxtbx.model.experiment_list import ExperimentListFactory

def models(path):
    out = []
    for e in ExperimentListFactory.from_filenames([path]):
        scan, turning = e.scan, e.goniometer
        out.append({
            "panels": [
                [*p.get_origin(), *p.get_fast_axis(), *p.get_slow_axis(), *p.get_pixel_size(),
                 *p.get_image_size()] for p in e.detector
            ],
            "wavelength": e.beam.get_wavelength(),
            "axis": None if turning is None else list(turning.get_rotation_axis()),
            "oscillation": None if scan is None else list(scan.get_oscillation()),
        })
    return out

for path in json.loads(sys.stdin.read()):
    try:
        found = models(path)
        answer = found if found else "no format of dxtbx"
    except BaseException as error:
        answer = " ".join(f"{type(error).__name__}: {error}".split())[:100]
    print("@" + json.dumps([path, answer]), flush=True)
"""

Models = list[dict[str, Any]]


def files_in(given: Iterable[str]) -> list[Path]:
    """Return the files to compare: of a series of images the first one."""
    found: list[Path] = []
    for name in given:
        path = Path(name)
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    ends = (*known_suffixes(), *(s + z for s in known_suffixes() for z in (".gz", ".bz2")))
    images = [p.absolute() for p in found if p.name.lower().endswith(ends)]
    return [group.files[0].path for group in group_files(images) if "_data_" not in group.stem]


def of_dials(files: Sequence[Path]) -> dict[str, Models | str]:
    """Return the models that DIALS reads, or why it reads none; {} without DIALS."""
    command = [DIALS_PYTHON, "-c", PROGRAM]
    given = json.dumps([str(f) for f in files])
    try:
        done = subprocess.run(
            command,
            input=given,
            env={**os.environ, **environment()},
            capture_output=True,
            text=True,
            timeout=MANY,
            check=False,
        )
    except OSError:
        return {}
    lines = [line[1:] for line in done.stdout.splitlines() if line.startswith("@")]
    return dict(json.loads(line) for line in lines)


def of_dxdask(path: Path) -> Models | str:
    """Return the models that dxdask reads, or the error."""
    try:
        return [_models(run.experiment) for run in read_runs([path])]
    except DxdaskError as error:
        return " ".join(str(error).split())[:100]


def _models(experiment: Experiment) -> dict[str, Any]:
    turning, scan = experiment.goniometer, experiment.scan
    return {
        "panels": [
            [*p.origin, *p.fast_axis, *p.slow_axis, *p.pixel_size, *p.image_size]
            for p in experiment.detector.panels
        ],
        "wavelength": experiment.beam.wavelength,
        "axis": None if turning is None else turning.rotation_axis.tolist(),
        "oscillation": None if scan is None else list(scan.oscillation),
    }


def differences(ours: Models, theirs: Models) -> dict[str, float]:
    """Return the largest difference of each value over panels, of the first runs."""
    one, other = ours[0], theirs[0]
    if len(one["panels"]) != len(other["panels"]):
        return {"panels": float(abs(len(one["panels"]) - len(other["panels"])))}
    gaps = np.abs(np.array(one["panels"]) - np.array(other["panels"])).max(axis=0)
    out = {
        "origin": gaps[:3].max(),
        "axes": gaps[3:9].max(),
        "pixel": gaps[9:11].max(),
        "size": gaps[11:].max(),
        "wavelength": abs(one["wavelength"] - other["wavelength"]),
    }
    turns = one["oscillation"], other["oscillation"]
    if all(t is not None and t[1] != 0.0 for t in turns):
        out["axis"] = np.abs(np.subtract(one["axis"], other["axis"])).max()
        gap = np.abs(np.subtract(*turns))
        out["start"], out["width"] = min(gap[0] % 360.0, -gap[0] % 360.0), gap[1]
    elif any(t is not None and t[1] != 0.0 for t in turns):
        out["width"] = max(abs(t[1]) for t in turns if t is not None)
    return {name: float(value) for name, value in out.items()}


COLUMNS = ("origin", "axes", "pixel", "size", "wavelength", "axis", "start", "width", "panels")


def main() -> int:
    """Print the table; return 1 if a file that both read differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", help="files and folders")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--differing", action="store_true", help="print only those")
    given = parser.parse_args()
    logging.getLogger("dxdask").setLevel(logging.ERROR)
    files = files_in(given.files)
    dials = of_dials(files)
    if not dials:
        print(f"DIALS is not installed ({DIALS_PYTHON} has no dxtbx): nothing to compare with")
        return 0
    width = max(len(f"{f.parent.name}/{f.name}") for f in files)
    print(f"{'file':{width}s} " + " ".join(f"{c:>10s}" for c in COLUMNS[:-1]))
    n_equal = n_differ = 0
    for path in files:
        name, ours, theirs = (
            f"{path.parent.name}/{path.name}",
            of_dxdask(path),
            dials.get(str(path)),
        )
        if isinstance(ours, str) and not isinstance(theirs, list):
            continue
        if isinstance(ours, str) or not isinstance(theirs, list):
            who, why = ("DIALS", theirs) if isinstance(ours, list) else ("dxdask", ours)
            if not given.differing:
                print(f"{name:{width}s} {who} reads it not: {why}")
            continue
        gaps = differences(ours, theirs)
        equal = max(gaps.values()) <= given.tolerance
        n_equal, n_differ = n_equal + equal, n_differ + (not equal)
        if equal and given.differing:
            continue
        cells = " ".join(f"{gaps[c]:10.2g}" if c in gaps else " " * 10 for c in COLUMNS)
        print(f"{name:{width}s} {cells}" + ("" if equal else "  differs"))
    print(f"{n_equal} equal to {given.tolerance:g}, {n_differ} differ")
    return int(n_differ > 0)


if __name__ == "__main__":
    sys.exit(main())
