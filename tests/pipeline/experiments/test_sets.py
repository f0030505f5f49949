"""Stores split, combined and cut: what comes back is what went in."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.ensemble_example import QUICK
from support.processed_files import write_job

import dxdask
from dxdask.cli.main import run as run_command
from dxdask.columns import Flag
from dxdask.errors import InputError, ParameterError, StoreExistsError
from dxdask.models import ExperimentList, GaussianProfile
from dxdask.models.vectors import matrix, vector
from dxdask.pipeline.experiments.models import average_detector, with_references
from dxdask.pipeline.experiments.parameters import ReferenceFromExperiment
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit
STEPS = ("find_spots", "index", "refine", "integrate")


def assert_same(one: Store, two: Store, steps: tuple[str, ...] = STEPS) -> None:
    assert one.runs == two.runs
    for run in one.runs:
        assert one.run_experiment(run) == two.run_experiment(run)
        np.testing.assert_array_equal(one.mask(run), two.mask(run))
        np.testing.assert_array_equal(one.frames(run).compute(), two.frames(run).compute())
        a, b = one.image_columns(run), two.image_columns(run)
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    for step in steps:
        assert list(one.experiments(step)) == list(two.experiments(step)), step
        assert len(two.experiments(step).crystals) == len(one.experiments(step).crystals)
        columns, others = one.columns(step), two.columns(step)
        assert sorted(columns) == sorted(others)
        for name, values in columns.items():
            np.testing.assert_array_equal(others[name], values, err_msg=f"{step} {name}")
        for run in one.runs:
            arrays = one.read_step(step, run=run).arrays
            for name, values in two.read_step(step, run=run).arrays.items():
                np.testing.assert_array_equal(arrays[name], values, err_msg=f"{step} {name}")


def test_what_was_split_combines_to_what_it_was(processed: Store, tmp_path: Path) -> None:
    prefix = str(tmp_path / "part")
    parts = dxdask.split_experiments(processed, experiments_prefix=prefix)
    assert [p.path.name for p in parts] == ["part_0.zarr", "part_1.zarr", "part_2.zarr"]
    assert [p.runs for p in parts] == [(run,) for run in processed.runs]
    assert all(p.has_step("scale") and not p.has_step("merge") for p in parts)
    whole = dxdask.combine_experiments(parts, tmp_path / "whole.zarr")
    assert_same(processed, whole)
    assert not whole.has_step("scale")
    assert stale_steps(whole) == {}
    assert whole.table("refine", "rmsds")["run"].tolist() == list(processed.runs)
    assert whole.table("refine", "rmsds")["experiment"].tolist() == [0, 1, 2]
    # frames are not copied
    chunks = [next((s.path / "runs" / "tiny_2" / "frames").rglob("c/3/0/0")) for s in
              (processed, parts[1], whole)]  # fmt: skip
    assert len({os.stat(c).st_ino for c in chunks}) == 1
    dxdask.scale(whole)
    dxdask.merge(whole)
    a, b = (s.table("merge", "overall") for s in (processed, whole))
    assert a["n_unique"][0] == b["n_unique"][0]
    assert a["r_merge"][0] == pytest.approx(b["r_merge"][0], rel=1e-6)


def test_a_slice_has_the_frames_and_reflections_of_its_images(
    processed: Store, tmp_path: Path
) -> None:
    given = [(3, 8), (1, 14), (7, 14)]
    sliced = dxdask.slice_sequence(processed, tmp_path / "s.zarr", image_range=given)
    for run, (first, last) in zip(processed.runs, given, strict=True):
        whole = processed.frames(run)[first - 1 : last]
        np.testing.assert_array_equal(sliced.frames(run).compute(), whole.compute())
        scan = sliced.run_experiment(run).scan
        assert scan is not None
        assert scan.image_range == (first, last)
        old = processed.run_experiment(run).scan
        assert old is not None
        assert scan.phi_from_z(last) == pytest.approx(old.phi_from_z(last))
        angle = processed.image_columns(run)["angle"][first - 1 : last]
        np.testing.assert_array_equal(sliced.image_columns(run)["angle"], angle)
        for step, column in (("find_spots", "z"), ("index", "z"), ("integrate", "z_cal")):
            table = processed.read_step(step, run=run).reflections
            inside = (table[column] >= first - 1) & (table[column] < last)
            mine = sliced.read_step(step, run=run).reflections
            np.testing.assert_array_equal(mine[column], table[column][inside])
    again = dxdask.refine(sliced)
    assert len(again.table("refine", "rmsds")) == 3
    dxdask.integrate(again, d_min=4.0)
    assert stale_steps(again).keys() == {"scale"}


def test_a_slice_of_a_varying_crystal_has_the_part_of_its_images(
    processed: Store, tmp_path: Path
) -> None:
    result = processed.read_step("refine")
    crystal = result.experiments.crystals[0]
    points = tuple(matrix(crystal.a * (1 + 1e-4 * i)) for i in range(15))
    beam = result.experiments.beams[0]
    s0 = tuple(vector(beam.s0 * (1 + 1e-9 * i)) for i in range(15))
    varying = replace(
        result.experiments,
        crystals=(replace(crystal, scan_points=points),),
        beams=(replace(beam, s0_at_scan_points=s0), *result.experiments.beams[1:]),
    )
    parts = dxdask.split_experiments(processed, experiments_prefix=str(tmp_path / "p"))
    one = parts[0].experiments("refine")
    assert one.crystals == result.experiments.crystals
    store = dxdask.open(parts[0].path)
    widths = tuple(np.linspace(0.001, 0.002, 14).tolist())
    profile = GaussianProfile(sigma_b=0.001, sigma_m=0.0015, sigma_m_by_image=widths)
    members = tuple(replace(m, profile=profile) for m in one.members)
    own = replace(store.read_step("refine"), experiments=replace(varying, members=members,
                  beams=varying.beams[:1], detectors=one.detectors, goniometers=one.goniometers,
                  scans=one.scans))  # fmt: skip
    store.write_step("refine", own, parameters={}, fingerprint="")
    for step in ("integrate", "scale"):
        shutil.rmtree(store.path / "results" / "main" / step)
    part = dxdask.combine_experiments([store], tmp_path / "whole.zarr")
    assert part.experiments("refine").crystals[0].scan_points == points
    sliced = dxdask.slice_sequence(part, tmp_path / "s.zarr", image_range=[(5, 9)])
    assert sliced.experiments("refine").crystals[0].scan_points == points[4:10]
    assert sliced.experiments("refine").beams[0].s0_at_scan_points == s0[4:10]
    assert sliced.experiments("refine")[0].profile.sigma_m_by_image == widths[4:9]


def test_by_wavelength_and_by_detector(processed: Store, tmp_path: Path) -> None:
    one = dxdask.split_experiments(
        processed, by_wavelength=True, experiments_prefix=str(tmp_path / "w")
    )
    assert [s.runs for s in one] == [processed.runs]
    assert_same(processed, one[0])
    parts = dxdask.split_experiments(
        processed, by_detector=True, experiments_prefix=str(tmp_path / "d")
    )
    detectors = {m.detector for m in processed.experiments("integrate").members}
    assert len(parts) == len(detectors)
    assert sorted(run for s in parts for run in s.runs) == sorted(processed.runs)
    with pytest.raises(ParameterError, match="exclude one another"):
        dxdask.split_experiments(processed, by_detector=True, by_wavelength=True)


def test_models_of_one_experiment_or_the_average_are_given_to_all(
    processed: Store, tmp_path: Path
) -> None:
    first = dxdask.combine_experiments([processed], tmp_path / "a.zarr", detector=1, beam=1,
                                       compare_models=False)  # fmt: skip
    models = first.experiments("refine")
    assert len(models.detectors) == 1
    assert models.detectors[0] == processed.experiments("refine")[1].detector
    second = processed.run_experiment("tiny_2").beam
    for run in processed.runs:  # each with the transmission of its own
        own = processed.run_experiment(run).beam.transmission
        assert first.run_experiment(run).beam == replace(second, transmission=own)
    mean = dxdask.combine_experiments(
        [processed], tmp_path / "b.zarr", average_detector=True, compare_models=False
    )
    (detector,) = mean.experiments("refine").detectors
    expected = [e.detector[0].origin for e in processed.experiments("refine")]
    every = list(dict.fromkeys(expected))
    np.testing.assert_allclose(detector[0].origin, np.mean(every, axis=0), atol=1e-12)
    assert abs(np.dot(detector[0].fast_axis, detector[0].slow_axis)) < 1e-12
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], tmp_path / "c.zarr", detector=7)


def test_models_along_a_scan_are_static_in_scans_of_other_lengths(processed: Store) -> None:
    first, second, *_ = processed.experiments("refine")
    assert first.crystal is not None
    assert second.scan is not None
    n = second.scan.n_images
    points = tuple(matrix(first.crystal.a * (1 + 1e-4 * i)) for i in range(n + 1))
    varying = replace(first, crystal=replace(first.crystal, scan_points=points))
    shorter = replace(
        second,
        scan=replace(second.scan, image_range=(1, n - 1), angles=(), oscillation=(0.0, 0.5)),
    )
    given = ReferenceFromExperiment(crystal=0)
    new = with_references(ExperimentList.of([varying, second, shorter]), given)
    assert new[0].crystal == new[1].crystal == varying.crystal
    assert new[2].crystal == first.crystal


def test_the_average_of_a_detector_with_itself_is_itself(processed: Store) -> None:
    detector = processed.run_experiment("tiny_1").detector
    mean = average_detector((detector, detector))
    for p, q in zip(detector.panels, mean.panels, strict=True):
        np.testing.assert_allclose(q.axes, p.axes, atol=1e-14)


def test_a_model_that_differs_is_not_replaced(tmp_path: Path, processed: Store) -> None:
    moved = processed.experiments("integrate")
    far = replace(moved.detectors[0], panels=tuple(
        replace(p, origin=(p.origin[0], p.origin[1], p.origin[2] + 3.0))
        for p in moved.detectors[0].panels))  # fmt: skip
    parts = dxdask.split_experiments(processed, experiments_prefix=str(tmp_path / "p"))
    store = dxdask.open(parts[1].path)
    result = store.read_step("integrate")
    other = ExperimentList.of([replace(e, detector=far) for e in result.experiments])
    store.write_step("integrate", replace(result, experiments=other), parameters={}, fingerprint="")
    with pytest.raises(InputError, match=r"detector of run tiny_\d differs .*compare_models=false"):
        dxdask.combine_experiments(
            parts, tmp_path / "c.zarr", reference_from_experiment={"detector": 0}
        )


def test_stores_and_files_are_combined(tmp_path: Path, processed: Store) -> None:
    job = write_job(tmp_path, "integrate")
    store = dxdask.combine_experiments([processed, *job], tmp_path / "c.zarr")
    assert store.runs == (*processed.runs, "lyso")
    n = len(processed.columns("integrate", ["flags"])["flags"])
    found = store.columns("integrate", ["experiment", "flags"])
    assert np.count_nonzero(found["experiment"] < 3) == n
    assert (found["flags"][n:] & Flag.INTEGRATED).any()
    # the imported table holds no spots of its own
    assert not store.has_step("refine")
    twice = dxdask.combine_experiments([store, *job], tmp_path / "d.zarr")
    assert twice.runs == (*store.runs, "integrate_lyso")


def test_runs_of_one_name_are_named_by_their_store(tmp_path: Path, processed: Store) -> None:
    store = dxdask.combine_experiments([processed, processed], tmp_path / "c.zarr")
    assert store.runs == (*processed.runs, *(f"threads_{run}" for run in processed.runs))
    assert len({e.identifier for e in store.experiments("refine")}) == 6
    # equal models are one: the same crystal twice
    assert len(store.experiments("refine").crystals) == len(
        processed.experiments("refine").crystals
    )


def test_bad_input_is_refused(tmp_path: Path, processed: Store) -> None:
    out = tmp_path / "c.zarr"
    with pytest.raises(InputError, match="nothing to combine"):
        dxdask.combine_experiments([], out)
    with pytest.raises(InputError, match="one of the stores that are combined"):
        dxdask.combine_experiments([processed], processed.path)
    dxdask.combine_experiments([processed], out)
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        dxdask.combine_experiments([processed], out)
    dxdask.combine_experiments([processed], out, overwrite=True)
    with pytest.raises(ParameterError, match="give the images to take: image_range=FIRST,LAST"):
        dxdask.slice_sequence(processed, tmp_path / "s.zarr")
    with pytest.raises(ParameterError, match="the first image is behind the last"):
        dxdask.slice_sequence(processed, tmp_path / "s.zarr", image_range=[(9, 3)])
    with pytest.raises(ParameterError, match=r"image_range=3,99: tiny_1 has images 1 to 14"):
        dxdask.slice_sequence(processed, tmp_path / "s.zarr", image_range=[(3, 99)])
    store = dxdask.open(out)
    dxdask.index(store, **QUICK, hkl_tolerance=0.25)
    with pytest.raises(InputError, match=r"refine in .* other input"):
        dxdask.split_experiments(store, experiments_prefix=str(tmp_path / "x"))


def test_an_error_leaves_nothing_behind_and_keeps_what_was_there(
    tmp_path: Path, processed: Store
) -> None:
    out = tmp_path / "c.zarr"
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], out, detector=7)
    assert not list(tmp_path.iterdir())
    before = dxdask.combine_experiments([processed], out)
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], out, detector=7, overwrite=True)
    assert_same(dxdask.open(out), before)
    assert [path.name for path in tmp_path.iterdir()] == ["c.zarr"]
    # of several outputs all are looked at before the first is made
    dxdask.combine_experiments([processed], tmp_path / "p_1.zarr")
    with pytest.raises(StoreExistsError, match=r"p_1\.zarr"):
        dxdask.split_experiments(processed, experiments_prefix=str(tmp_path / "p"))
    assert not (tmp_path / "p_0.zarr").exists()


def test_from_the_command_line(
    processed: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    path = str(processed.path)
    assert run_command(["split_experiments", path]) == 0
    assert "with the results of find_spots, index, refine" in capsys.readouterr().out
    words = ["split_0.zarr", "split_1.zarr", "-o", "two.zarr"]
    assert run_command(["combine_experiments", *words]) == 0
    assert dxdask.open("two.zarr").runs == processed.runs[:2]
    assert run_command(["slice_sequence", path, "image_range=2,9", "-o", "s.zarr"]) == 0
    assert dxdask.open("s.zarr").frames("tiny_1").shape[0] == 8
    assert run_command(["slice_sequence", path, "-o", "t.zarr"]) == 2
    assert "image_range" in capsys.readouterr().err


def test_linked_frames_stay_links(raw: list[Path], tmp_path: Path) -> None:
    linked = dxdask.import_(raw[:2], tmp_path / "l.zarr", link=True)
    whole = dxdask.combine_experiments([linked], tmp_path / "c.zarr")
    sliced = dxdask.slice_sequence(whole, tmp_path / "s.zarr", image_range=(4, 9))
    for run in linked.runs:
        frames = linked.frames(run).compute()
        np.testing.assert_array_equal(whole.frames(run).compute(), frames)
        np.testing.assert_array_equal(sliced.frames(run).compute(), frames[3:9])
        for store in (whole, sliced):
            assert "linked_to" in store.run_attributes(run)["source"]


def test_masks_that_were_applied_come_along(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[:1], tmp_path / "s.zarr")
    (run,) = store.runs
    dxdask.apply_mask(dxdask.generate_mask(store, border=3), mask="generate_mask")
    mask = store.mask(run)
    assert not mask[0].any()
    whole = dxdask.combine_experiments([store], tmp_path / "c.zarr")
    np.testing.assert_array_equal(whole.mask(run), mask)
