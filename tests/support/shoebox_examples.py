"""Shoeboxes cut out of frames in the plain way, and spots as DIALS finds them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.models import Experiment
from dxdask.results import StepResult
from dxdask.spotfinding.images import first_z
from dxdask.storage.importers import read_runs

DIALS_PYTHON = Path("/usr/bin/python3")
needs_dials = pytest.mark.skipif(
    not Path("/usr/bin/dials.find_spots").exists(), reason="needs DIALS at /usr/bin"
)


def run_dials(*words: str, folder: Path) -> str:
    """Run a program of DIALS in a folder; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["HDF5_PLUGIN_PATH"] = hdf5plugin.PLUGIN_PATH
    environment["HOME"] = str(folder)  # what it keeps of settings stays there
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def insulin_start(
    shared: Path, run: int
) -> tuple[NDArray[Any], Experiment, NDArray[np.bool_], Path]:
    """Return the first 20 images of a run, blank ones after them, models, mask, and the file."""
    (file,) = (shared / "data/insulin").glob(f"run{run}_*/*.nxs")
    (source,) = read_runs([file])
    frames = np.zeros(source.shape, source.dtype)
    frames[:20] = source.read(0, 20)
    return frames, source.experiment, source.mask, file


def check_shoeboxes(
    result: StepResult, frames: NDArray[Any], experiment: Experiment, good: NDArray[np.bool_]
) -> None:
    """Check a run's shoeboxes against its frames; good (frame, slow, fast): could be used."""
    arrays, z_first = result.arrays, first_z(experiment)
    offsets = arrays["shoebox_offsets"]
    assert arrays["shoebox_mask"].dtype == np.uint8
    assert offsets.dtype == np.int64
    for i, (x0, x1, y0, y1, z0, z1) in enumerate(result.reflections["bbox"].tolist()):
        own = slice(offsets[i], offsets[i + 1])
        panel = experiment.detector[int(result.reflections["panel"][i])]
        left, top = panel.offset
        where = np.s_[z0 - z_first : z1 - z_first, top + y0 : top + y1, left + x0 : left + x1]
        np.testing.assert_array_equal(arrays["shoebox_value"][own], frames[where].ravel())
        mask = np.where(good[where], 3, 0)
        a, b = arrays["pixel_offsets"][i : i + 2]
        x, y, z = (arrays[f"pixel_{k}"][a:b] for k in "xyz")
        mask[z - z0, y - y0, x - x0] = 5
        np.testing.assert_array_equal(arrays["shoebox_mask"][own], mask.ravel())
    assert len(offsets) == len(result.reflections["bbox"]) + 1
