"""Strong pixels of an image by image search, beside those of dials.find_bad_pixels."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import hdf5plugin
import numpy as np
import pytest

from dxdask.analysis import BadPixelParameters, find_bad_pixels
from dxdask.models import Detector, ExperimentList
from dxdask.storage.importers import read_runs

pytestmark = pytest.mark.jit


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
def test_strong_pixels_are_those_of_dials(shared: Path, tmp_path: Path) -> None:
    path = shared / "data/insulin/run5_1.000/insulin_5.nxs"
    python = os.environ.get("DIALS_PYTHON", "/usr/bin/python3")
    command = ["-m", "dials.command_line.find_bad_pixels", str(path), "image_range=1,16"]
    done = subprocess.run(
        [python, *command],
        env={"HDF5_PLUGIN_PATH": hdf5plugin.PLUGINS_PATH, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    if done.returncode:
        pytest.skip(f"dials cannot be run here: {done.stderr[-200:]}")
    theirs = {
        tuple(map(int, line.split()[1:3]))
        for line in done.stdout.splitlines()
        if line.startswith("mask:")
    }
    assert len(theirs) > 13
    (run,) = read_runs([path])
    panel, scan = run.experiment.detector.panels[0], run.experiment.scan
    # it takes masked pixels for good ones of -1 count, which its trusted range includes
    frames = np.where(run.mask, run.read(0, 16).astype(np.int32), -1)
    experiment = replace(
        run.experiment,
        scan=replace(scan, image_range=(1, 16)),  # type: ignore[type-var]
        detector=Detector(panels=(replace(panel, trusted_range=(-2, 10001)),)),
    )
    parameters = BadPixelParameters(min_ratio=0.0, min_images=1)
    result = find_bad_pixels([frames], ExperimentList.of([experiment]), None, parameters)
    rows = result.table("pixels").rows
    assert {(r["slow"], r["fast"]) for r in rows if (r["fraction"] or 0) >= 0.5} == theirs
