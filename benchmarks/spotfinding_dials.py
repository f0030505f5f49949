"""DIALS for comparison: its environment, kernels and whole command, or figures on record."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measure import Cost, run

KERNELS = """
import json, sys, time
import numpy as np
from dials.algorithms.image import threshold
from dials.array_family import flex
from dials.command_line.find_spots import phil_scope
from dials.extensions.radial_profile_spotfinder_threshold_ext import (
    RadialProfileSpotFinderThresholdExt as Radial,
)
from dxtbx.model.experiment_list import ExperimentListFactory

saved, models, repeats = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
experiment = ExperimentListFactory.from_json_file(models, check_format=False)[0]
shape = saved["frames"].shape[1:]


class Models:
    get_detector = staticmethod(lambda: experiment.detector)
    get_beam = staticmethod(lambda: experiment.beam)


def dispersion(name):
    algorithm = getattr(threshold, name)(shape, (3, 3), 6.0, 3.0, 0.0, 2)
    out = flex.bool(flex.grid(shape))

    def call(image, mask):
        algorithm(image, mask, out)
        return out

    return call


def radial_profile():
    algorithm = Radial(phil_scope.extract())
    return lambda image, mask: algorithm.compute_threshold(image, mask, imageset=Models, i_panel=0)


calls = {
    "dispersion": dispersion("DispersionThreshold"),
    "dispersion_extended": dispersion("DispersionExtendedThreshold"),
    "radial_profile": radial_profile(),
}
result = {}
for name, call in calls.items():
    seconds, strong = [], []
    for frame, good in zip(saved["frames"], saved["good"]):
        image, mask = flex.double(frame.astype(float)), flex.bool(good)
        taken = []
        for _ in range(repeats):
            start = time.thread_time()
            found = call(image, mask)
            taken.append(time.thread_time() - start)
        seconds.append(min(taken))
        strong.append(found.count(True))
    result[name] = {"cpu": sum(seconds) / len(seconds), "strong": strong}
print(json.dumps(result))
"""

# DIALS 3.12.1 of Debian on two cores that others used too: CPU seconds a frame of the kernels (mean
# of eight frames) and of the command on all frames, its start-up taken off; of the whole command
# wall, CPU (s) and the largest process (GB).
RECORDED: dict[str, dict[str, Any]] = {
    "thaumatin": {
        "frames": 32,
        "kernels": {
            "dispersion": {"cpu": 0.0727, "strong": [51412]},
            "dispersion_extended": {"cpu": 0.1404, "strong": [109180]},
            "radial_profile": {"cpu": 3.833, "strong": [63477]},
        },
        "frame": 0.336,
        "nproc=1": [12.1, 12.2, 0.65],
        "nproc=2": [7.3, 12.6, 0.53],
    },
    "insulin": {
        "frames": 560,
        "kernels": {
            "dispersion": {"cpu": 0.00902, "strong": [27820]},
            "dispersion_extended": {"cpu": 0.02189, "strong": [63137]},
            "radial_profile": {"cpu": 0.638, "strong": [49154]},
        },
        "frame": 0.0668,
        "nproc=1": [43.9, 39.0, 0.99],
        "nproc=2": [59.1, 43.7, 0.95],
    },
}


def installed(python: str) -> bool:
    """Return True if DIALS's commands are there, and an interpreter that imports it."""
    return all(shutil.which(p) for p in ("dials.import", "dials.find_spots", python))


def environment() -> dict[str, str]:
    """Return the environment in which Debian's HDF5 reads bitshuffle-LZ4."""
    spec = find_spec("hdf5plugin")
    return {"HDF5_PLUGIN_PATH": str(Path(str(spec and spec.origin)).parent / "plugins")}


def for_stills(folder: Path) -> dict[str, str]:
    """Return the environment in which Debian's DIALS indexes stills; adds a file to `folder`."""
    # Debian's cctbx lacks a module that indexing of stills imports and does not use
    (folder / "xfel_mono_sim_ext.py").touch()
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**environment(), "PYTHONPATH": paths}


def import_(files: Sequence[str], folder: Path, name: str) -> None:
    """Write `name`.expt for these files, and one.expt for one frame of the first of them."""
    for out, given in ((name, list(files)), ("one", [files[0]])):
        # a whole sweep is in one file: its first image alone is what start-up is measured on
        only = ["image_range=1,1"] if out == "one" and Path(files[0]).suffix == ".nxs" else []
        command = ["dials.import", *given, *only, f"output.experiments={out}.expt"]
        run(command, cwd=folder, log=folder / f"dials_import_{out}.log", environment=environment())


def kernels(python: str, frames: Path, models: Path, repeats: int) -> dict[str, Any]:
    """Return CPU seconds a frame and strong pixels by threshold, of the frames in a .npz."""
    script, log = frames.parent / "dials_kernels.py", frames.parent / "dials_kernels.log"
    script.write_text(KERNELS)
    run([python, str(script), str(frames), str(models), str(repeats)], cwd=frames.parent, log=log)
    found: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return found


def find_spots(models: str, folder: Path, algorithm: str, nproc: int) -> Cost:
    """Return the cost of the whole command on the experiments in the file `models`."""
    given = [f"nproc={nproc}", f"spotfinder.threshold.algorithm={algorithm}"]
    command = ["dials.find_spots", models, *given, "output.reflections=s.refl"]
    return run(command, cwd=folder, log=folder / "dials_find.log", environment=environment())
