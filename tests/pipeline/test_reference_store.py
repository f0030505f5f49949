"""The refined geometry of one store for the frames of the next beamtime."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.ensemble_example import QUICK

import dxdask
from dxdask.errors import InputError, StoreExistsError, StoreNotFoundError
from dxdask.models import Detector, ExperimentList
from dxdask.pipeline.reference_geometry import stored_geometry
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.relative import with_moves
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


def with_detectors(store: Store, shifts: tuple[float, ...], *, branch: str = "main") -> Store:
    """Give the runs detectors that are shifted (mm along x) against that of run 1 as imported."""
    first = store.run_experiment("tiny_1").detector
    result = store.read_step("refine")
    models = []
    for experiment, shift in zip(result.experiments, shifts, strict=True):
        moved = tuple(replace(p, origin=(p.origin[0] + shift, *p.origin[1:])) for p in first.panels)
        models.append(replace(experiment, detector=Detector(panels=moved, root=first.root)))
    new = replace(result, experiments=ExperimentList.of(models))
    store.on_branch(branch).write_step("refine", new, parameters={}, fingerprint="")
    return store


@pytest.fixture
def refined(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "refined.zarr")
    return dxdask.open(tmp_path / "refined.zarr")


def test_frames_are_imported_with_the_refined_geometry(
    refined: Store, raw: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with_detectors(refined, (0.1, 0.2, 0.3))
    with caplog.at_level(logging.INFO, logger="dxdask"):
        store = dxdask.import_(raw, tmp_path / "next.zarr", reference_geometry=str(refined.path))
    assert "geometry: detector and direction of the beam of refine in" in caplog.text
    assert "the mean of 3 up to 0.200 mm apart" in caplog.text
    for run in store.runs:
        header, now = refined.run_experiment(run), store.run_experiment(run)
        shift = np.array(now.detector[0].origin) - header.detector[0].origin
        np.testing.assert_allclose(shift, [0.2, 0, 0], atol=1e-9)
        beams = refined.experiments("refine").beams
        assert now.beam.direction == pytest.approx(np.mean([b.direction for b in beams], axis=0))
    # the same geometry again changes nothing, another one is another import
    dxdask.import_(raw, tmp_path / "next.zarr", reference_geometry=str(refined.path))
    with_detectors(refined, (0.5, 0.5, 0.5))
    with pytest.raises(StoreExistsError, match="other parameters"):
        dxdask.import_(raw, tmp_path / "next.zarr", reference_geometry=str(refined.path))


def test_places_are_those_of_the_store_and_counts_those_of_the_frames(
    refined: Store, raw: list[Path], tmp_path: Path
) -> None:
    header = refined.run_experiment("tiny_1")
    panels = header.detector.panels
    width, height = panels[0].image_size
    halves = ((0, 0, width, height // 2), (0, height // 2, width, height))
    cuts = [halves, *(((0, 0, *p.image_size),) for p in panels[1:])]
    counts = tuple(replace(p, trusted_range=(-1.0, 500.0), gain=2.0) for p in panels)
    parts = recut(replace(header.detector, panels=counts), cuts)
    moves = np.zeros((len(parts), 3))
    moves[1] = 0.3, 1.5, 2.0
    moved = with_moves(parts, np.ones(len(parts), bool), moves)
    result = refined.read_step("refine")
    models = [replace(e, detector=moved) for e in result.experiments]
    new = replace(result, experiments=ExperimentList.of(models))
    refined.write_step("refine", new, parameters={}, fingerprint="")
    store = dxdask.import_(raw[:1], tmp_path / "next.zarr", reference_geometry=str(refined.path))
    now = store.run_experiment("tiny_1").detector
    assert len(now) == len(panels) + 1
    for p, q in zip(now.panels, moved.panels, strict=True):
        assert (p.offset, p.image_size) == (q.offset, q.image_size)
        np.testing.assert_allclose(p.d_matrix, q.d_matrix, atol=1e-9)
        own = header.detector[0]
        assert (p.gain, p.trusted_range, p.mu) == (own.gain, own.trusted_range, own.mu)


def test_a_branch_of_the_store(refined: Store, raw: list[Path], tmp_path: Path) -> None:
    with_detectors(refined, (0.4, 0.4, 0.4), branch="trial")
    given = {"reference_geometry": str(refined.path), "reference_branch": "trial"}
    store = dxdask.import_(raw[:1], tmp_path / "next.zarr", **given, use_beam_reference=False)
    now, header = store.run_experiment("tiny_1"), refined.run_experiment("tiny_1")
    assert now.detector[0].origin[0] - header.detector[0].origin[0] == pytest.approx(0.4)
    assert now.beam == header.beam


def test_process_takes_it(refined: Store, raw: list[Path], tmp_path: Path) -> None:
    with_detectors(refined, (0.01, 0.01, 0.01))
    store = dxdask.process(
        raw[:1], tmp_path / "next.zarr", reference_geometry=str(refined.path), **QUICK
    )
    assert store.has_step("merge")
    origin = store.run_experiment("tiny_1").detector[0].origin
    assert origin[0] - refined.run_experiment("tiny_1").detector[0].origin[0] == pytest.approx(0.01)


def test_bad_references_are_refused(refined: Store, raw: list[Path], tmp_path: Path) -> None:
    with_detectors(refined, (0.0, 2.0, 0.0))
    with pytest.raises(InputError, match=r"detectors up to 2\.00 mm apart"):
        stored_geometry(refined.path)
    empty = dxdask.import_(raw[:1], tmp_path / "empty.zarr")
    with pytest.raises(StoreNotFoundError, match=r"run: dxdask refine .*empty\.zarr"):
        dxdask.import_(raw, tmp_path / "next.zarr", reference_geometry=str(empty.path))
    with pytest.raises(StoreNotFoundError, match=r"none\.zarr"):
        dxdask.import_(raw, tmp_path / "next.zarr", reference_geometry=str(tmp_path / "none.zarr"))
