"""Angles of uneven images in files and stores: NXmx, images, DIALS, MTZ, parts of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.dials_examples import sweep
from support.image_examples import PIXELS, write_mini
from support.store_examples import experiment, frames, new_store

import dxdask
from dxdask.models import Detector, Experiment, ExperimentList, Goniometer, Scan
from dxdask.pipeline.images import experiment_of_images
from dxdask.storage.exporters.dials import write_experiments
from dxdask.storage.exporters.forward import with_forward_scans
from dxdask.storage.exporters.mtz_batches import batches
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.models import scan_from_dials
from dxdask.storage.importers.mtz.batches import runs_of_batches

STEPS = (0.3, 0.5, 1.3, 0.8, 1.1, 0.9, 1.2, 0.7, 1.0, 1.1)


def angles(start: float, width: float, n: int = 10) -> tuple[float, ...]:
    return tuple(np.round(start + width * np.cumsum([0.0, *STEPS[:n]]), 9).tolist())


def uneven(**changes: object) -> Experiment:
    one = sweep()
    assert one.scan is not None
    return replace(one, scan=replace(one.scan, angles=angles(20.0, 0.5)), **changes)


def nxmx(path: Path, scan: Scan) -> Path:
    e = replace(experiment(n_images=scan.n_images), scan=scan)
    panels = tuple(replace(p, trusted_range=(-1.0, 1000.0)) for p in e.detector.panels)
    e = replace(e, detector=Detector(panels=panels))
    images = frames(scan.n_images)
    write_nxmx(
        path, replace(e, goniometer=Goniometer(axes=((1.0, 0.0, 0.0),))), iter(images),
        shape=images.shape, dtype=images.dtype, pixel_mask=np.zeros(images.shape[1:], np.uint32),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("width", [0.5, -0.5])
def test_nxmx_has_the_angles_of_the_images(tmp_path: Path, width: float) -> None:
    scan = Scan(
        image_range=(1, 10), oscillation=(3.0, width), exposure_times=(0.1,),
        angles=angles(3.0, width),
    )  # fmt: skip
    [run] = read_runs([nxmx(tmp_path / "a.nxs", scan)])
    assert run.experiment.scan is not None
    np.testing.assert_allclose(run.experiment.scan.angles, scan.angles, atol=1e-9)
    assert any("each image has its own" in line for line in run.problems)
    # a range of images, an oscillation that is given, and stills
    given = {"geometry": {"scan": {"image_range": (3, 7)}}}
    [part] = read_runs([tmp_path / "a.nxs"], ImportParameters.model_validate(given))
    assert part.experiment.scan is not None
    np.testing.assert_allclose(part.experiment.scan.angles, scan.angles[2:8], atol=1e-9)
    given = {"geometry": {"scan": {"oscillation": (3.0, width)}}}
    [even] = read_runs([tmp_path / "a.nxs"], ImportParameters.model_validate(given))
    assert even.experiment.scan is not None
    assert even.experiment.scan.angles == ()
    assert not any("each image has its own" in line for line in even.problems)
    stills = ImportParameters(convert_stills=True)
    [still] = read_runs([tmp_path / "a.nxs"], stills)
    assert still.experiment.scan is not None
    assert still.experiment.scan.angles == ()


def test_even_scans_have_no_angles(tmp_path: Path) -> None:
    scan = Scan(image_range=(1, 10), oscillation=(3.0, 0.1), exposure_times=(0.1,))
    [run] = read_runs([nxmx(tmp_path / "a.nxs", scan)])
    assert run.experiment.scan == scan


@pytest.mark.parametrize("width", [0.5, -0.5])
def test_images_have_the_angles_of_their_headers(tmp_path: Path, width: float) -> None:
    known = angles(3.0, width)
    for i, start in enumerate(known[:-1]):
        write_mini(
            tmp_path / f"a_{i + 1:04d}.cbf", PIXELS + i,
            Start_angle=f"{start:.4f} deg.", Angle_increment=f"{width:.4f} deg.",
        )  # fmt: skip
    [run] = read_runs([tmp_path])
    scan = run.experiment.scan
    assert scan is not None
    sign = np.sign(width)
    np.testing.assert_allclose(scan.angles[:-1], sign * np.array(known[:-1]), atol=1e-9)
    assert scan.angles[-1] == pytest.approx(scan.angles[-2] + 0.5, abs=0.06)
    assert any("each image has its own" in line for line in run.problems)


def test_rounded_angles_are_even(tmp_path: Path) -> None:
    for i in range(30):
        write_mini(
            tmp_path / f"a_{i + 1:04d}.cbf", PIXELS,
            Start_angle=f"{0.12 * i:.2f} deg.", Angle_increment="0.12 deg.",
        )  # fmt: skip
    [run] = read_runs([tmp_path])
    assert run.experiment.scan is not None
    assert run.experiment.scan.angles == ()


def test_a_store_keeps_them(tmp_path: Path) -> None:
    scan = Scan(image_range=(1, 6), oscillation=(3.0, 0.5), angles=angles(3.0, 0.5, 6))
    store = new_store(tmp_path)
    images = frames(6)
    with store.writing():
        writer = store.create_run(
            "run1", replace(experiment(), scan=scan),
            n_images=6, shape=images.shape[1:], dtype=images.dtype,
        )  # fmt: skip
        for first, last in writer.pending:
            writer.write(first, images[first:last])
        writer.finish()
    assert dxdask.open(store.path).run_experiment("run1").scan == scan


def test_dials_files_hold_them_beside_even_steps(tmp_path: Path) -> None:
    one = uneven()
    write_experiments(tmp_path / "a.expt", ExperimentList.of([one]))
    content = json.loads((tmp_path / "a.expt").read_text())
    assert content["scan"][0]["oscillation"] == [20.0, 0.5]
    [read] = read_experiments(tmp_path / "a.expt")
    assert read.scan is not None
    assert one.scan is not None
    assert read.scan.angles == one.scan.angles


def test_export_for_dials_warns_of_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = uneven()
    write_experiments(tmp_path / "a.expt", ExperimentList.of([one]))
    assert len([r for r in caplog.records if "not evenly spaced" in r.message]) == 1
    caplog.clear()
    even = replace(one, scan=replace(one.scan, angles=()))
    write_experiments(tmp_path / "b.expt", ExperimentList.of([even]))
    assert not caplog.records


def test_an_angle_per_image_as_dials_writes_from_3_15() -> None:
    known = angles(20.0, 0.5)
    properties = {
        "oscillation": known[:-1], "oscillation_width": [0.5] * 10, "exposure_time": [0.1] * 10,
        "epochs": [0.0] * 10,
    }  # fmt: skip
    values = {"image_range": [3, 12], "batch_offset": 0, "properties": properties}
    scan = scan_from_dials(values)
    assert scan is not None
    np.testing.assert_allclose(scan.angles[:-1], known[:-1], atol=1e-9)
    properties["oscillation"] = (20.0 + 0.5 * np.arange(10)).tolist()
    scan = scan_from_dials(values)
    assert scan is not None
    assert scan.angles == ()


def test_backward_scans_become_forward_ones_with_theirs() -> None:
    one = sweep()
    assert one.scan is not None
    scan = replace(one.scan, oscillation=(20.0, -0.5), angles=angles(20.0, -0.5))
    [forward] = with_forward_scans(ExperimentList.of([replace(one, scan=scan)]))
    assert forward.scan is not None
    assert forward.scan.angles == tuple(-a for a in scan.angles)
    z = np.linspace(1.0, 14.0, 30)
    np.testing.assert_allclose(forward.scan.phi_from_z(z), -scan.phi_from_z(z), atol=1e-12)


def test_batches_have_their_own_angles_and_give_them_back() -> None:
    one = uneven()
    assert one.scan is not None
    found = batches(one, 0, 1)
    np.testing.assert_allclose([b.floats[36] for b in found], one.scan.angles[:-1], rtol=1e-6)
    np.testing.assert_allclose([b.floats[37] for b in found], one.scan.angles[1:], rtol=1e-6)
    mtz = gemmi.Mtz()
    mtz.spacegroup = gemmi.SpaceGroup("P 43 21 2")
    mtz.set_cell_for_all(gemmi.UnitCell(78, 78, 37, 90, 90, 90))
    for batch in found:
        mtz.batches.append(batch)
    [run] = runs_of_batches(mtz, np.arange(3.0, 13.0), None)
    np.testing.assert_allclose(run.scan.angles, one.scan.angles, atol=1e-5)


def test_a_range_of_images_has_its_own() -> None:
    one = uneven()
    assert one.scan is not None
    part = experiment_of_images(one, (5, 9)).scan
    assert part is not None
    assert part.angles == one.scan.angles[2:8]
    z = np.linspace(4.0, 9.0, 11)
    np.testing.assert_array_equal(part.phi_from_z(z), one.scan.phi_from_z(z))
