"""Geometry files as other programs open them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_stills import moved_panels, panels

from dxdask.errors import StoreWriteError
from dxdask.models import Beam, Experiment, Group
from dxdask.storage.exporters.geometry import SUFFIXES, write_geometry
from dxdask.storage.importers.reference_geometry import read_geometry

PYTHON = Path("/usr/bin/python3")
READ = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
(found,) = ExperimentListFactory.from_json_file(sys.argv[1], check_format=False)
print(json.dumps({
    "panels": [[p.get_origin(), p.get_fast_axis(), p.get_slow_axis()] for p in found.detector],
    "names": [p.get_name() for p in found.detector],
    "groups": [g.get_name() for g in found.detector.hierarchy()],
    "wavelength": found.beam.get_wavelength(), "s0": found.beam.get_s0(),
}))
"""


def experiment() -> Experiment:
    """Return a run of stills with panels in two halves, each at its own position."""
    rng = np.random.default_rng(2)
    detector = moved_panels(panels(), rng.normal(0, 0.1, (4, 3)), rng.normal(0, 1e-2, (4, 3)))
    halves = Group(groups=(Group(name="left", panels=(0, 2)), Group(name="right", panels=(1, 3))))
    return Experiment(
        identifier="a", run="a", beam=Beam(wavelength=1.31, wavelengths=(1.30, 1.32)),
        detector=replace(detector, root=halves),
    )  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_hierarchy_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_geometry(path, experiment())
    found = read_geometry(path)
    assert [(g.name, g.panels) for g in found.detector.root.groups] == [
        ("left", (0, 2)), ("right", (1, 3))
    ]  # fmt: skip
    assert found.beam is not None
    assert found.beam.wavelengths is None
    assert found.beam.wavelength == pytest.approx(1.31, rel=1e-12)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "none").touch()
    with pytest.raises(StoreWriteError, match=r"check the rights and the name of the folder"):
        write_geometry(tmp_path / f"none/a{suffix}", experiment())


@pytest.mark.dials
@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason=f"needs dxtbx in {PYTHON}")
def test_dxtbx_has_panels_where_they_are(tmp_path: Path) -> None:
    given = experiment()
    write_geometry(tmp_path / "a.expt", given)
    done = subprocess.run(
        [PYTHON, "-c", READ, tmp_path / "a.expt"], capture_output=True, text=True, check=False
    )
    if "No module named" in done.stderr:
        pytest.skip("needs dxtbx")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wanted = [[p.origin, p.fast_axis, p.slow_axis] for p in given.detector.panels]
    np.testing.assert_allclose(found["panels"], wanted, atol=1e-9)
    assert found["names"] == [p.name for p in given.detector.panels]
    assert found["groups"] == ["left", "right"]
    assert found["wavelength"] == 1.31
    np.testing.assert_allclose(found["s0"], [0, 0, -1 / 1.31], atol=1e-12)
