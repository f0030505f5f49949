"""The law of parallax in files for DIALS: moved panels, positions in mm, and back."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_stills import moved_panels

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Group, Panel
from dxdask.models.parallax import mean_path
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.exporters.geometry import write_geometry
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.parallax import KEY
from dxdask.storage.importers.dials.reflections import read_reflections
from dxdask.storage.importers.reference_geometry import read_geometry

PYTHON = Path("/usr/bin/python3")
LEFT = Panel(
    name="left", origin=(-47.0, 40.0, -100.0), pixel_size=(0.075, 0.075), image_size=(600, 1060),
    thickness=0.32, material="Si", mu=1.04, use_parallax=True,
)  # fmt: skip
RIGHT = replace(LEFT, name="right", origin=(2.0, 40.0, -100.0), offset=(600, 0))
TILTED = moved_panels(
    Detector(panels=(LEFT, RIGHT)),
    np.array([[0.1, 0.2, 0.3], [-0.2, 0.1, 0.5]]),
    np.array([[0.02, 0.03, 0.01], [0.05, -0.02, 0.02]]),
)
HALVES = Group(
    origin=(1.0, 2.0, -100.0),
    groups=(Group(panels=(0,)), Group(origin=(0.0, 1.0, -99.0), panels=(1,))),
)  # fmt: skip
OWN = replace(TILTED, root=HALVES)


def of(detector: Detector) -> ExperimentList:
    return ExperimentList.of([Experiment(identifier="a", run="a", beam=Beam(), detector=detector)])


def under(law: str, detector: Detector = OWN) -> Detector:
    return replace(detector, panels=tuple(replace(p, parallax_law=law) for p in detector.panels))


@pytest.mark.parametrize("law", ["absorbed", "dxtbx"])
def test_our_own_file_has_the_same_panels(tmp_path: Path, law: str) -> None:
    given = under(law)
    write_experiments(tmp_path / "a.expt", of(given), refined=True)
    found = read_experiments(tmp_path / "a.expt")[0].detector
    for mine, theirs in zip(found.panels, given.panels, strict=True):
        np.testing.assert_allclose(mine.d_matrix, theirs.d_matrix, atol=1e-11)
        place = {n: getattr(theirs, n) for n in ("origin", "fast_axis", "slow_axis")}
        assert replace(mine, **place) == theirs


def test_a_file_of_dials_has_dxtbx_s_law_where_it_corrects_for_parallax(tmp_path: Path) -> None:
    path = tmp_path / "a.expt"
    given = replace(OWN, panels=(OWN[0], replace(OWN[1], use_parallax=False)))
    write_experiments(path, of(given), refined=True)
    document = json.loads(path.read_text())
    for panel in document["detector"][0]["panels"]:
        del panel[KEY]
    path.write_text(json.dumps(document))
    found = read_experiments(path)[0].detector
    assert [p.parallax_law for p in found.panels] == ["dxtbx", "absorbed"]
    # a panel that DIALS has is further away by the difference of the mean paths
    paths = [mean_path(0.32, 1.04, law) for law in ("absorbed", "dxtbx")]
    away = [new.distance - old.distance for new, old in zip(found.panels, OWN.panels, strict=True)]
    np.testing.assert_allclose(away, [paths[0] - paths[1], 0.0], atol=1e-9)


def test_panels_of_a_header_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.expt"
    write_experiments(path, of(OWN))
    document = json.loads(path.read_text())
    for keep, law in ((True, "absorbed"), (False, "dxtbx")):
        for panel in document["detector"][0]["panels"]:
            if not keep:
                del panel[KEY]
        path.write_text(json.dumps(document))
        found = read_experiments(path)[0].detector
        for mine, theirs in zip(found.panels, OWN.panels, strict=True):
            assert mine.parallax_law == law
            np.testing.assert_allclose(mine.d_matrix, theirs.d_matrix, atol=1e-11)


def test_an_unknown_law_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.expt"
    write_experiments(path, of(OWN))
    path.write_text(path.read_text().replace('"absorbed"', '"other"'))
    with pytest.raises(FormatError, match=f"{KEY} of panel 'left' is 'other'"):
        read_experiments(path)


def table(detector: Detector) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 60
    out = {
        "experiment": np.zeros(n, np.int32), "panel": rng.integers(0, 2, n).astype(np.int32),
        "x": rng.uniform(0, 600, n), "y": rng.uniform(0, 1060, n), "z": np.zeros(n),
        "phi_rad": np.zeros(n), "phi_cal_rad": np.zeros(n),
    }  # fmt: skip
    out |= {"x_mm": np.zeros(n), "y_mm": np.zeros(n)}
    for k, panel in enumerate(detector.panels):
        rows = out["panel"] == k
        mm = panel.pixel_to_mm(np.stack([out["x"][rows], out["y"][rows]], axis=1))
        out["x_mm"][rows], out["y_mm"][rows] = mm.T
    return out | {"x_cal_mm": out["x_mm"].copy(), "y_cal_mm": out["y_mm"].copy()}


def test_positions_in_mm_are_those_of_the_panels_in_the_file(tmp_path: Path) -> None:
    given = table(OWN)
    write_reflections(tmp_path / "a.refl", given, of(OWN))
    written = read_reflections(tmp_path / "a.refl")
    write_experiments(tmp_path / "a.expt", of(OWN), refined=True)
    document = json.loads((tmp_path / "a.expt").read_text())
    for panel in document["detector"][0]["panels"]:
        panel[KEY] = "dxtbx"
    (tmp_path / "b.expt").write_text(json.dumps(document))
    theirs = table(read_experiments(tmp_path / "b.expt")[0].detector)
    for name in ("x_mm", "y_mm", "x_cal_mm", "y_cal_mm"):
        np.testing.assert_allclose(written[name], theirs[name], atol=1e-9)
    assert np.abs(written["x_mm"] - given["x_mm"]).max() > 0.02
    back = read_reflections(tmp_path / "a.refl", read_experiments(tmp_path / "a.expt"))
    for name in given:
        # DIALS takes the shift at the uncorrected position
        np.testing.assert_allclose(back[name], given[name], atol=1e-4)


@pytest.mark.parametrize("suffix", [".json", ".geom"])
def test_files_without_a_law_have_the_front_face(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_geometry(path, of(under("dxtbx", TILTED))[0])
    found = read_geometry(path).detector
    paths = [mean_path(0.32, 1.04, law) for law in ("absorbed", "dxtbx")]
    for mine, theirs in zip(found.panels, TILTED.panels, strict=True):
        assert mine.distance == pytest.approx(theirs.distance - paths[0] + paths[1], abs=1e-4)


READ = """
import json, sys
from dxtbx.model.experiment_list import ExperimentList, ExperimentListFactory
(found,) = ExperimentListFactory.from_json_file(sys.argv[1], check_format=False)
rays = json.load(open(sys.argv[2]))
print(json.dumps([
    [p.millimeter_to_pixel(p.get_ray_intersection(ray)) for ray in rays[i]]
    for i, p in enumerate(found.detector)
]))
ExperimentList([found]).as_file(sys.argv[3])
"""


@pytest.mark.dials
@pytest.mark.skipif(not PYTHON.exists(), reason=f"needs dxtbx in {PYTHON}")
def test_dxtbx_records_rays_at_the_same_places(tmp_path: Path) -> None:
    """To 0.04 px at 25 degrees; files that it writes again have its law."""
    rng = np.random.default_rng(4)
    rays = []
    for panel in OWN.panels:
        ray = panel.lab_coordinates(rng.uniform(0, (45.0, 79.0), (300, 2)))
        cosine = np.abs(ray @ panel.normal) / np.linalg.norm(ray, axis=1)
        rays.append(ray[cosine > np.cos(np.deg2rad(25))])
    write_experiments(tmp_path / "a.expt", of(OWN), refined=True)
    (tmp_path / "rays.json").write_text(json.dumps([r.tolist() for r in rays]))
    files = [tmp_path / name for name in ("a.expt", "rays.json", "again.expt")]
    done = subprocess.run([PYTHON, "-c", READ, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for panel, ray, theirs in zip(OWN.panels, rays, json.loads(done.stdout), strict=True):
        assert len(ray) > 100
        mine = panel.mm_to_pixel(panel.ray_intersection(ray))
        apart = np.linalg.norm(mine - np.array(theirs), axis=1)
        assert apart.max() < 0.04
    again = read_experiments(tmp_path / "again.expt")[0].detector
    assert [p.parallax_law for p in again.panels] == ["dxtbx", "dxtbx"]
