"""Experiment lists and reflection tables of DIALS: read, written, read again, opened by DIALS."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.dials_examples import sweep, table
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, ExperimentList, Scan
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.storage.exporters.dials import to_dials_columns, write_experiments, write_reflections
from dxdask.storage.exporters.source_images import SourceImages
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz, read_reflections

DIALS_SHOW = Path("/usr/bin/dials.show")


def test_a_sweep_comes_back(tmp_path):
    experiments = ExperimentList.of([sweep()])
    write_experiments(
        tmp_path / "a.expt", experiments, {"run1": SourceImages.of(["x_0003.cbf", "x_0004.cbf"])}
    )
    back = read_experiments(tmp_path / "a.expt")
    first, got = experiments[0], back[0]
    assert got.identifier == "abc"
    assert got.run == "x"
    assert got.beam == first.beam
    assert got.goniometer == first.goniometer
    assert got.scan.oscillation == first.scan.oscillation
    assert got.profile.sigma_m == pytest.approx(0.002, rel=1e-14)
    np.testing.assert_allclose(got.crystal.a, first.crystal.a, atol=1e-15)
    np.testing.assert_allclose(got.crystal.scan_points, first.crystal.scan_points, atol=1e-15)
    np.testing.assert_allclose(got.crystal.cell_su, first.crystal.cell_su, atol=1e-9)
    assert got.crystal.space_group == "P 43 21 2"
    for mine, theirs in zip(first.detector.panels, got.detector.panels, strict=True):
        np.testing.assert_allclose(theirs.d_matrix, mine.d_matrix, atol=1e-12)
        same = {"origin": mine.origin, "fast_axis": mine.fast_axis, "slow_axis": mine.slow_axis}
        assert replace(theirs, **same) == mine
    assert got.detector.root.groups[0].panels == (0, 1)
    written = json.loads((tmp_path / "a.expt").read_text())
    assert written["imageset"][0]["template"].endswith("x_####.cbf")
    # Panels are written in the frame of their group.
    np.testing.assert_allclose(
        written["detector"][0]["panels"][0]["fast_axis"], (1, 0, 0), atol=1e-12
    )


def varying_profile():
    experiment = sweep()
    n = experiment.scan.n_images
    widths = tuple(np.linspace(0.001, 0.002, n).tolist())
    profile = replace(experiment.profile, sigma_m=float(np.mean(widths)), sigma_m_by_image=widths)
    return replace(experiment, profile=profile)


def test_widths_along_the_scan_come_back(tmp_path):
    """DIALS has both widths of each image, in degrees."""
    given = varying_profile()
    write_experiments(tmp_path / "a.expt", ExperimentList.of([given]))
    (written,) = json.loads((tmp_path / "a.expt").read_text())["profile"]
    assert len(written["sigma_b"]) == len(written["sigma_m"]) == given.scan.n_images
    got = read_experiments(tmp_path / "a.expt")[0].profile
    np.testing.assert_allclose(got.sigma_m_by_image, given.profile.sigma_m_by_image, rtol=1e-12)
    np.testing.assert_allclose(got.sigma_b_by_image, given.profile.sigma_b, rtol=1e-12)
    assert got.sigma_m == pytest.approx(given.profile.sigma_m, rel=1e-12)


@pytest.mark.dials
@needs_dials
def test_dials_has_the_widths_along_the_scan(tmp_path):
    given = varying_profile()
    write_experiments(tmp_path / "a.expt", ExperimentList.of([given]))
    code = (
        "from dxtbx.model.experiment_list import ExperimentListFactory as F\n"
        "import dials.algorithms.profile_model.gaussian_rs\n"
        "p = F.from_json_file('a.expt', check_format=False)[0].profile\n"
        "print(p.is_scan_varying(), p.num_scan_points(), *p.sigma_m(deg=False))"
    )
    varies, n, *widths = run_dials(str(DIALS_PYTHON), "-c", code, folder=tmp_path).split()
    assert (varies, int(n)) == ("True", given.scan.n_images)
    np.testing.assert_allclose(
        [float(w) for w in widths], given.profile.sigma_m_by_image, rtol=1e-10
    )


def test_a_goniometer_with_a_setting_keeps_its_rotations(tmp_path):
    turned = replace(sweep().goniometer, setting=matrix(rotation_matrix((1, 1, 0), 0.1)))
    experiments = ExperimentList.of([replace(sweep(), goniometer=turned)])
    write_experiments(tmp_path / "a.expt", experiments)
    got = read_experiments(tmp_path / "a.expt")[0].goniometer
    np.testing.assert_allclose(got.fixed_rotation, turned.fixed_rotation, atol=1e-14)
    np.testing.assert_allclose(got.setting_rotation, turned.setting_rotation, atol=1e-14)
    np.testing.assert_allclose(got.rotation_axis, turned.rotation_axis, atol=1e-14)


def test_a_table_comes_back(tmp_path):
    experiments = ExperimentList.of([sweep()])
    given = table()
    write_reflections(tmp_path / "a.refl", given, experiments)
    back = read_reflections(tmp_path / "a.refl", experiments)
    # DIALS has no column for the largest pixel of a spot.
    assert set(back) == set(given) - {"peak"}
    for name, values in back.items():
        np.testing.assert_array_equal(values, given[name])


def test_scaled_intensities_are_dials_s_unscaled_ones(tmp_path):
    """In DIALS `intensity.scale.value` / `inverse_scale_factor` is the scaled intensity."""
    given = table() | {
        "scale": np.array([0.5, 1.0, 2.0, 3.0, 4.0]),
        "intensity": np.full(5, 100.0),
        "intensity_variance": np.full(5, 9.0),
    }
    written = to_dials_columns(given)
    np.testing.assert_allclose(
        written["intensity.scale.value"], [50.0, 100.0, 200.0, 300.0, 400.0], rtol=1e-15
    )
    np.testing.assert_allclose(
        written["intensity.scale.variance"], [2.25, 9.0, 36.0, 81.0, 144.0], rtol=1e-15
    )
    # Required by dials.export.
    np.testing.assert_array_equal(written["inverse_scale_factor_variance"], np.zeros(5))
    experiments = ExperimentList.of([sweep()])
    write_reflections(tmp_path / "a.refl", given, experiments)
    back = read_reflections(tmp_path / "a.refl", experiments)
    np.testing.assert_allclose(back["intensity"], 100.0, rtol=1e-15)
    np.testing.assert_allclose(back["intensity_variance"], 9.0, rtol=1e-15)


def test_a_list_without_frames_keeps_its_runs(tmp_path):
    write_experiments(tmp_path / "a.expt", ExperimentList.of([sweep()]))
    written = json.loads((tmp_path / "a.expt").read_text())
    assert written["imageset"][0]["template"] == "run1_#####"
    assert read_experiments(tmp_path / "a.expt").runs == ("run1",)


def test_ids_follow_the_identifiers(tmp_path):
    one, two = sweep(), replace(sweep(), identifier="def")
    given = table()
    given["experiment"] = np.array([0, 1, 1, -1, 0], np.int32)
    write_reflections(tmp_path / "a.refl", given, ExperimentList.of([one, two]))
    back = read_reflections(tmp_path / "a.refl", ExperimentList.of([two, one]))
    np.testing.assert_array_equal(back["experiment"], [1, 0, 0, -1, 1])
    with pytest.raises(
        FormatError, match="experiment 1 is 'def', which the experiments given lack"
    ):
        read_reflections(tmp_path / "a.refl", ExperimentList.of([one]))
    with pytest.raises(InputError, match="refers to experiment 1; there are 1"):
        write_reflections(tmp_path / "b.refl", given, ExperimentList.of([one]))


def test_stills_are_an_experiment_each(tmp_path):
    still = replace(
        sweep(),
        goniometer=None,
        beam=Beam(wavelength=1.1, wavelengths=tuple(1.0 + 0.1 * i for i in range(10))),
        scan=Scan(image_range=(1, 10)),
        crystal=None,
    )
    experiments = ExperimentList.of([still])
    write_experiments(tmp_path / "a.expt", experiments, {"run1": SourceImages.of(["s.h5"])})
    back = read_experiments(tmp_path / "a.expt")
    assert len(back) == len(back.beams) == 10
    assert back[3].beam.wavelength == pytest.approx(1.3)
    assert back[3].scan is None
    assert len(back.detectors) == 1
    write_reflections(tmp_path / "a.refl", table(), experiments)
    got = read_reflections(tmp_path / "a.refl", back)
    np.testing.assert_array_equal(got["experiment"], [2, 3, 4, 5, 6])
    np.testing.assert_allclose(got["z"], 0.5)


def test_newer_scans_list_their_angles(tmp_path):
    write_experiments(tmp_path / "a.expt", ExperimentList.of([sweep()]))
    values = json.loads((tmp_path / "a.expt").read_text())
    scan = values["scan"][0]
    angles = [20.0 + 0.5 * i for i in range(10)]
    values["scan"][0] = {
        "image_range": scan["image_range"],
        "batch_offset": 0,
        "properties": {"oscillation": angles, "exposure_time": [0.1] * 10, "epochs": [0.0] * 10},
    }
    values["beam"][0]["__id__"] = "monochromatic"
    (tmp_path / "a.expt").write_text(json.dumps(values))
    assert read_experiments(tmp_path / "a.expt")[0].scan.oscillation == (20.0, 0.5)


@pytest.mark.shared
def test_every_reference_list_opens_and_comes_back(shared, tmp_path):
    files = [*shared.glob("reference/**/*.expt"), *shared.glob("data/real/strong_spots/*.expt")]
    assert len(files) >= 12
    for path in files:
        experiments = read_experiments(path)
        write_experiments(tmp_path / "a.expt", experiments)
        back = read_experiments(tmp_path / "a.expt")
        assert len(back) == len(experiments)
        for mine, theirs in zip(experiments, back, strict=True):
            assert theirs.beam == mine.beam
            assert theirs.scan.oscillation == mine.scan.oscillation
            np.testing.assert_allclose(
                theirs.detector[-1].d_matrix, mine.detector[-1].d_matrix, atol=1e-9
            )
            if mine.crystal:
                np.testing.assert_allclose(theirs.crystal.a, mine.crystal.a, atol=1e-14)


@pytest.mark.shared
def test_the_cell_s_uncertainties_are_dials_s(shared):
    crystal = read_experiments(shared / "reference/lysozyme_ed/indexed.expt")[0].crystal
    # dials.show: Unit cell: 77.746(17), 77.746(17), 41.22(6), 90.0, 90.0, 90.0; P 43 21 2
    np.testing.assert_allclose(crystal.unit_cell[:3], (77.746, 77.746, 41.22), atol=5e-3)
    np.testing.assert_allclose(crystal.cell_su[:3], (0.017, 0.017, 0.06), atol=5e-3)
    assert crystal.cell_su[3:] == (0.0, 0.0, 0.0)
    assert crystal.space_group == "P 43 21 2"


@pytest.mark.shared
def test_refl_and_npz_hold_the_same(shared):
    folder = shared / "reference/lysozyme_ed"
    experiments = read_experiments(folder / "indexed.expt")
    mine, theirs = (
        read_reflections(folder / "indexed.refl", experiments),
        read_npz(folder / "indexed.npz"),
    )
    assert set(mine) == set(theirs)
    assert len(mine["x"]) == 1385
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name])


@pytest.mark.dials
@pytest.mark.slow
@pytest.mark.skipif(not DIALS_SHOW.exists(), reason="needs DIALS at /usr/bin/dials.show")
def test_dials_opens_what_dxdask_writes(shared, tmp_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    (run,) = read_runs([shared / "data/insulin/run1_0.064"])
    first = replace(run.experiment, crystal=sweep().crystal)
    experiments = ExperimentList.of([first])
    write_experiments(tmp_path / "a.expt", experiments, {run.name: SourceImages.of(run.files)})
    given = table()
    given["panel"][:] = 0
    write_reflections(tmp_path / "a.refl", given, experiments)
    done = subprocess.run(
        [DIALS_SHOW, "a.expt", "a.refl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGINS_PATH},
    )
    assert done.returncode == 0, done.stderr
    assert "Reflection list contains 5 reflections" in done.stdout
    assert "Unit cell: 78.000(10), 78.000(10), 37.00(2), 90.0, 90.0, 90.0" in done.stdout
    assert "trusted_range: {-1,10000}" in done.stdout
    assert "number of images:   112" in done.stdout


@pytest.mark.dials
@pytest.mark.slow
@pytest.mark.skipif(not DIALS_SHOW.exists(), reason="needs DIALS at /usr/bin/dials.show")
def test_dials_opens_a_list_without_frames(tmp_path):
    still = replace(sweep(), identifier="still", run="s", goniometer=None, scan=None)
    write_experiments(tmp_path / "a.expt", ExperimentList.of([sweep(), still]))
    done = subprocess.run(
        [DIALS_SHOW, "a.expt"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Unit cell: 78.000(10), 78.000(10), 37.00(2), 90.0, 90.0, 90.0" in done.stdout
    assert "number of images:   10" in done.stdout
