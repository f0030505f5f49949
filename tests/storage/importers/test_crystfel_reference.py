"""A CrystFEL geometry for frames that have a geometry of their own."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.crystfel_files import FAST, SLOW, N, counts, geometry, run_of
from support.raw_examples import write_nxmx

from dxdask.errors import FormatError


def nxmx(folder: Path, **datasets: object) -> Path:
    path = write_nxmx(folder / "run.nxs", counts())
    with h5py.File(path, "a") as file:
        for name, value in datasets.items():
            file[name.replace("__", "/")] = value
    return path


def test_values_and_masks_in_the_file_of_the_frames(tmp_path: Path) -> None:
    bits = np.zeros((SLOW, FAST), int)
    bits[1] = 1
    head = {"clen": "/z", "mask": "/bits", "mask_bad": "1", "flag_equal": "9", "bandwidth": "1",
            "photon_energy": None, "adu_per_photon": None, "adu_per_eV": "0.001"}  # fmt: skip
    run = run_of(nxmx(tmp_path, z=250.0, bits=bits), geometry(tmp_path, head))
    assert np.flatnonzero(~run.mask.all(axis=1)).tolist() == [1]
    panel = run.experiment.detector[0]
    assert panel.origin[2] == pytest.approx(-250.0)
    assert panel.invalid_values == (9.0,)
    assert panel.gain == pytest.approx(12.398419843)  # of the 1 A of the frames
    assert panel.thickness == 0.32
    (problem,) = run.problems
    assert "bandwidth is not used" in problem


def test_a_mask_in_a_file_of_its_own(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["map"] = np.eye(SLOW, FAST)
    path = geometry(tmp_path, {"mask_file": "m.h5", "mask": "/map", "mask_bad": "1"})
    assert (~run_of(nxmx(tmp_path), path).mask).sum() == min(SLOW, FAST)


def test_a_mask_of_single_images_is_a_problem(tmp_path: Path) -> None:
    bits = np.zeros((N, SLOW, FAST), int)
    bits[0, 0] = 1
    path = geometry(tmp_path, {"mask": "/bits", "mask_bad": "1"})
    run = run_of(nxmx(tmp_path, bits=bits), path)
    assert run.mask.all()
    assert [p for p in run.problems if "mask0_data = /bits is not used" in p]


def test_a_mask_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no mask /bits of numbers"):
        run_of(nxmx(tmp_path), geometry(tmp_path, {"mask": "/bits", "mask_bad": "1"}))
