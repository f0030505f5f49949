"""A re-cut detector with a displaced module: written, read, and taken for frames of one panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dxdask.models import (
    Beam,
    Detector,
    Experiment,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.relative import with_moves
from dxdask.storage.exporters.geometry import SUFFIXES, write_geometry
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import read_geometry

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
