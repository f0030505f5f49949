"""`dxdask.simulate`: frames in a folder, the same as those of the command."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.ensemble_example import dxdask as command
from support.ensemble_example import words

import dxdask
from dxdask.errors import InputError, ParameterError

SMALL = {"n_images": 2, "module_size": [64, 48], "transmissions": [1.0, 0.5]}


def test_the_function_and_the_command_write_the_same(tmp_path: Path) -> None:
    files = dxdask.simulate(tmp_path / "function", **SMALL)
    given = {**SMALL, "module_size": "64,48", "transmissions": "1.0,0.5"}
    done = command("simulate", "-o", tmp_path / "command", *words(given))
    assert done.returncode == 0, done.stderr
    assert [f.name for f in files] == ["simulated_1.nxs", "simulated_2.nxs"]
    for file in files:
        other = tmp_path / "command" / file.relative_to(tmp_path / "function")
        with h5py.File(file) as ours, h5py.File(other) as theirs:
            name = "entry/data/data"
            np.testing.assert_array_equal(ours[name][:], theirs[name][:])
            assert ours[name].shape[0] == 2


def test_stills_have_a_dark_run_and_the_truth(tmp_path: Path) -> None:
    files = dxdask.simulate(tmp_path, stills=True, n_images=1, n_dark=3)
    assert len(files) == 1
    assert (tmp_path / "dark.nxs").exists()
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["files"] == [str(files[0].relative_to(tmp_path))]


def test_a_folder_with_a_simulation_is_refused(tmp_path: Path) -> None:
    dxdask.simulate(tmp_path, **SMALL)
    with pytest.raises(InputError, match="holds a simulation already"):
        dxdask.simulate(tmp_path, **SMALL)


def test_wrong_parameters_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="n_images"):
        dxdask.simulate(tmp_path, n_image=2)
