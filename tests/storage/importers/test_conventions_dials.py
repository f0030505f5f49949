"""Conventions of detectors are those of dxtbx, where DIALS is installed."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.image_examples import write_any_smv, write_mini

from dxdask.storage.importers import read_runs

DIALS_PYTHON = Path("/usr/bin/python3")
SCRIPT = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
out = []
for name in sys.argv[1:]:
    [e] = ExperimentListFactory.from_filenames([name])
    g = e.goniometer
    out.append({
        "panels": [[*p.get_origin(), *p.get_fast_axis(), *p.get_slow_axis(), *p.get_pixel_size(),
                    *p.get_image_size(), p.get_gain()] for p in e.detector],
        "axis": g.get_rotation_axis(), "fixed": g.get_fixed_rotation(),
        "s0": e.beam.get_s0(), "oscillation": e.scan.get_oscillation(),
    })
print(json.dumps(out))
"""
DATE = {"DATE": "Tue Mar  3 00:00:00 2009"}
LINES = {"Kappa": "20.0 deg.", "Phi": "15.0 deg.", "Omega": "10.0 deg.", "Chi": "5.0 deg."}
PILATUS = np.zeros((195, 487), np.int32)
MINI = {
    "aps": (PILATUS, {"Detector": "PILATUS3 6M, S/N 60-0132"}),
    "i03": (PILATUS, {"Detector": "PILATUS3 6M, S/N 60-0126", **LINES}),
    "i04": (PILATUS, {"Detector": "PILATUS 6M, S/N 60-0100 Diamond", **LINES}),
    "vmxi": (PILATUS, {"Detector": "PILATUS 6M, S/N 60-0114-F"}),
    "i24": (PILATUS, {"Detector": "PILATUS3 6M, S/N 60-0119", "Oscillation_axis": "X.CW +SLOW"}),
    "i24_plate": (
        PILATUS,
        {"Detector": "PILATUS3 6M, S/N 60-0119", "Oscillation_axis": "X.CW +FAST"},
    ),
    "px1": (
        PILATUS,
        {"Detector": "PILATUS 6M, S/N 60-0106, Soleil", **LINES, "Oscillation_axis": "OMEGA"},
    ),
    "i23": (
        np.zeros((24 * 212 - 17, 2463), np.int32),
        {"Detector": "PILATUS 12M, S/N 120-0100", "Beam_xy": "(1070.0, 2590.0) pixels", **LINES},
    ),
}
SMV = {
    "q210r": {"DETECTOR_SN": 457}, "q315r": {"DETECTOR_SN": 928, "BIN": "2x2", "BIN_TYPE": "HW"},
    "q315": {"DETECTOR_SN": 915}, "als501": {"DETECTOR_SN": 442},
    "als821": {"DETECTOR_SN": 445, "DENZO_XBEAM": 0.5, "DENZO_YBEAM": 0.25},
    "als822": {"DETECTOR_SN": 905, "DENZO_BEAM_CENTER_X": 0.5, "DENZO_BEAM_CENTER_Y": 0.25},
    "als831": {"DETECTOR_SN": 926, "DENZO_X_BEAM": 0.5, "DENZO_Y_BEAM": 0.25},
    "aps19": {"DETECTOR_SN": 914, "CCD_SPATIAL_BEAM_POSITION": "5 10", "BIN": "none"},
    "fake": {"BEAMLINE": "fake"}, "plain": {"DETECTOR_SN": 999},
}  # fmt: skip


@pytest.mark.dials
def test_geometry_is_dxtbx_s(tmp_path):
    if not DIALS_PYTHON.exists():
        pytest.skip("DIALS is not installed")
    date = {"2020-03-01T00:00:00.000": ""}
    paths = [
        write_mini(tmp_path / f"{name}_0001.cbf", image, **date, **changes)
        for name, (image, changes) in MINI.items()
    ]
    keys = {"BIN": "2x2", **DATE}
    paths += [
        write_any_smv(tmp_path / f"{name}_0001.img", HEADER_BYTES=1024, **{**keys, **changes})
        for name, changes in SMV.items()
    ]
    command = [DIALS_PYTHON, "-c", SCRIPT, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "dxtbx" in done.stderr and "No module" in done.stderr:
        pytest.skip("DIALS is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    for path, dials in zip(paths, json.loads(done.stdout.splitlines()[-1]), strict=True):
        [run] = read_runs([path])
        experiment = run.experiment
        panels = [
            [*p.origin, *p.fast_axis, *p.slow_axis, *p.pixel_size, *p.image_size, p.gain]
            for p in experiment.detector.panels
        ]
        goniometer = experiment.goniometer
        np.testing.assert_allclose(panels, dials["panels"], atol=1e-6, err_msg=path.name)
        np.testing.assert_allclose(
            goniometer.rotation_axis, dials["axis"], atol=1e-6, err_msg=path.name
        )
        np.testing.assert_allclose(
            goniometer.fixed_rotation.ravel(), dials["fixed"], atol=1e-6, err_msg=path.name
        )
        np.testing.assert_allclose(experiment.beam.s0, dials["s0"], atol=1e-9)
        np.testing.assert_allclose(experiment.scan.oscillation, dials["oscillation"], atol=1e-9)
