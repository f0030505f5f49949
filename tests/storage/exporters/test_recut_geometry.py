"""A re-cut detector with a displaced module: written, read, and taken for frames of one panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.refinement_cases import some_rotation

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.relative import with_moves
from dxdask.results import StepResult
from dxdask.storage.exporters.geometry import SUFFIXES, write_geometry
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import read_geometry
from dxdask.storage.store.store import Store

SHAPE = (150, 80)
MOVE = np.array([[0.0, 0.0, 0.0], [0.3, 1.5, 2.0]])


def header() -> Experiment:
    panel = Panel(
        name="/entry/instrument/detector/module", origin=(-3.0, 5.625, -100.0),
        pixel_size=(0.075, 0.075), image_size=SHAPE[::-1], trusted_range=(-1.0, 10000.0),
        thickness=0.32, material="Si", mu=1.04, use_parallax=True,
    )  # fmt: skip
    return Experiment(
        identifier="a", run="a", beam=Beam(wavelength=0.6199),
        detector=Detector(panels=(panel,)), goniometer=Goniometer(),
        scan=Scan(image_range=(1, 3), oscillation=(0.0, 0.5)),
    )  # fmt: skip


def refined() -> Experiment:
    """The same with two modules, the second displaced."""
    new = recut(header().detector, [((0, 0, 80, 70), (0, 78, 80, 150))])
    return replace(header(), detector=with_moves(new, np.ones(2, bool), MOVE))


def frames(path: Path, experiment: Experiment) -> Path:
    mask = np.zeros(SHAPE, np.uint32)
    mask[70:78] = 1
    images = [np.full(SHAPE, i, np.uint16) for i in range(3)]
    write_nxmx(
        path, experiment, images, shape=(3, *SHAPE), dtype=np.uint16, pixel_mask=mask, columns={},
        origin="made up", start_time=None,
    )  # fmt: skip
    return path


def assert_panels(found: Detector, wanted: Detector, atol: float = 1e-9) -> None:
    assert [(p.offset, p.image_size) for p in found.panels] == [
        (p.offset, p.image_size) for p in wanted.panels
    ]
    for p, q in zip(found.panels, wanted.panels, strict=True):
        np.testing.assert_allclose(p.d_matrix, q.d_matrix, atol=atol)
        np.testing.assert_allclose(p.pixel_size, q.pixel_size, rtol=1e-9)
        assert (p.thickness, p.material, p.use_parallax) == (q.thickness, q.material, True)
        assert p.trusted_range == q.trusted_range


def imported(path: Path, reference: Path) -> Experiment:
    given = ImportParameters.model_validate({"input": {"reference_geometry": str(reference)}})
    (run,) = read_runs([path], given)
    assert (~run.mask).any(axis=1).nonzero()[0].tolist() == list(range(70, 78))
    return run.experiment


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"refined{suffix}"
    write_geometry(path, refined())
    found = read_geometry(path).detector
    wanted = refined().detector
    for p, q in zip(found.panels, wanted.panels, strict=True):
        np.testing.assert_allclose(p.d_matrix, q.d_matrix, atol=2e-6)
    # one group of all panels is the whole, and .geom has none then
    (group,) = found.root.groups or (found.root,)
    assert group.panels == (0, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_of_one_panel_are_cut_as_the_reference(tmp_path: Path, suffix: str) -> None:
    reference = tmp_path / f"refined{suffix}"
    write_geometry(reference, refined())
    found = imported(frames(tmp_path / "run.nxs", header()), reference)
    assert_panels(found.detector, refined().detector, atol=2e-6)
    assert found.beam.wavelength == pytest.approx(0.6199)


def test_nxmx_comes_back(tmp_path: Path) -> None:
    (run,) = read_runs([frames(tmp_path / "run.nxs", refined())])
    assert_panels(run.experiment.detector, refined().detector)


def store_of(path: Path, experiments: list[Experiment], step: str = "refine") -> Path:
    store = Store.create(path)
    crystal = Crystal.from_cell((78.0, 78.0, 78.0, 90.0, 90.0, 90.0), u_matrix=some_rotation(1))
    made = ExperimentList.of([replace(e, crystal=crystal) for e in experiments])
    store.write_step(step, StepResult(experiments=made, reflections={}), fingerprint="1",
                     parameters={})  # fmt: skip
    return path


def test_a_refined_store_is_a_reference_for_sweeps(tmp_path: Path) -> None:
    moved = refined()
    beam = replace(moved.beam, wavelength=0.7, direction=(0.0, 0.01, 1.0))
    counts = tuple(replace(p, trusted_range=(-1.0, 500.0), gain=2.0) for p in moved.detector.panels)
    other = replace(moved, beam=beam, detector=replace(moved.detector, panels=counts))
    reference = store_of(tmp_path / "before.zarr", [other])
    found = imported(frames(tmp_path / "run.nxs", header()), reference)
    # places are those of the store, counts, wavelength and absorption those of the frames
    assert_panels(found.detector, refined().detector)
    assert found.detector[0].gain == 1.0
    assert found.detector[0].mu == pytest.approx(header().detector[0].mu, rel=1e-3)
    assert found.beam.wavelength == pytest.approx(0.6199)
    assert found.beam.direction[1] == pytest.approx(0.01, abs=1e-4)


def test_stores_that_are_no_reference(tmp_path: Path) -> None:
    path = frames(tmp_path / "run.nxs", header())
    Store.create(tmp_path / "empty.zarr")
    with pytest.raises(StoreNotFoundError, match=r"holds no refined geometry; run: dxdask refine"):
        imported(path, tmp_path / "empty.zarr")
    two = [refined(), replace(header(), run="b", identifier="b")]
    with pytest.raises(InputError, match="has 2 detectors, of which none is meant"):
        imported(path, store_of(tmp_path / "two.zarr", two))
    with pytest.raises(StoreNotFoundError):
        imported(path, tmp_path / "none.zarr")
