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
from support.same_stores import assert_same

import dxdask
from dxdask.cli.main import run as run_command
from dxdask.columns import Flag
from dxdask.errors import InputError, ParameterError, StoreExistsError
from dxdask.models import GaussianProfile
from dxdask.models.vectors import matrix, vector
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


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
    for name, command in (
        ("split", "split_experiments"), ("two", "combine_experiments"), ("s", "slice_sequence"),
    ):  # fmt: skip
        lines = Path(f"{name}.log").read_text().splitlines()
        assert lines[0].endswith(command)
        assert any("with the results of find_spots, index, refine" in line for line in lines)
    assert "image_range" in Path("t.log").read_text()


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
