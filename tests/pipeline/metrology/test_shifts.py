"""Differences between two geometries of a detector, from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_stills import Shots, centres, displaced, moved_panels, panels, shots

from dxdask.errors import InputError
from dxdask.models import Detector, Group
from dxdask.pipeline.metrology.parameters import DetectorShiftsParameters
from dxdask.pipeline.metrology.shifts import compare, detector_shifts
from dxdask.storage.exporters.geometry import write_geometry

HALVES = Group(groups=(Group(name="left", panels=(0, 2)), Group(name="right", panels=(1, 3))))


@pytest.fixture(scope="module")
def made() -> Shots:
    """Return stills on panels away from their places in the file."""
    return shots(2, true_detector=displaced())


def test_shifts_between_files(made: Shots, tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.expt"]
    whole = replace(made.true_detector, root=HALVES)
    write_geometry(paths[0], made.experiment)
    write_geometry(paths[1], replace(made.experiment, detector=whole))
    compared, table = detector_shifts(*paths)
    moved = centres(made.true_detector) - centres(made.experiment.detector)
    np.testing.assert_allclose(centres(compared.after) - centres(compared.before), moved, atol=1e-8)
    rows = {(row["level"], row["part"]): row for row in table.rows}
    assert [key for key in rows if key[0] == 1] == [
        (1, "left"), (1, "right"), (1, "mean"), (1, "sigma")
    ]  # fmt: skip
    left = moved[[0, 2]].mean(axis=0)
    assert rows[1, "left"]["delta_xy_um"] == pytest.approx(1e3 * np.hypot(*left[:2]), abs=1e-3)
    assert rows[0, "detector"]["z_um"] == pytest.approx(250, abs=1e-3)
    assert rows[0, "detector"]["n_spots"] is None
    top = DetectorShiftsParameters(max_hierarchy_level=0)
    assert [row["part"] for row in detector_shifts(*paths, top)[1].rows] == ["detector"]


def test_tilts_have_a_direction(made: Shots, tmp_path: Path) -> None:
    start = made.experiment.detector
    middle = start[0].centre
    outwards = np.array([*middle[:2], 0.0]) / np.hypot(*middle[:2])
    tangent = np.cross([0.0, 0.0, -1.0], outwards)
    rotations = np.zeros((4, 3))
    rotations[0] = np.radians(0.3) * tangent + np.radians(0.1) * outwards
    end = moved_panels(start, np.zeros((4, 3)), rotations)
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, detector in zip(paths, (start, end), strict=True):
        write_geometry(path, replace(made.experiment, detector=detector))
    row = next(row for row in detector_shifts(*paths)[1].rows if row["part"] == "p0")
    assert row["tilt_radial_degree"] == pytest.approx(0.3, abs=1e-4)
    assert row["tilt_tangential_degree"] == pytest.approx(0.1, abs=1e-4)
    assert row["tilt_degree"] == pytest.approx(np.hypot(0.3, 0.1), abs=1e-4)
    assert row["rotation_z_degree"] == pytest.approx(0, abs=1e-3)


def test_other_detectors_are_not_compared(made: Shots, tmp_path: Path) -> None:
    few = replace(made.experiment, detector=Detector(panels=panels().panels[:3]))
    coarse = tuple(replace(p, pixel_size=(0.2, 0.2)) for p in panels().panels)
    write_geometry(tmp_path / "few.json", few)
    write_geometry(tmp_path / "all.json", made.experiment)
    write_geometry(
        tmp_path / "coarse.json", replace(made.experiment, detector=Detector(panels=coarse))
    )
    with pytest.raises(InputError, match=r"few.json has no panel of \(300, 200\) pixels"):
        compare(tmp_path / "all.json", tmp_path / "few.json")
    with pytest.raises(InputError, match=r"coarse.json has no panel .* 0.1 x 0.1 mm"):
        compare(tmp_path / "all.json", tmp_path / "coarse.json")


def test_panels_that_do_not_know_their_place_go_by_order(made: Shots, tmp_path: Path) -> None:
    nowhere = tuple(replace(p, offset=(0, 0)) for p in made.true_detector.panels)
    write_geometry(tmp_path / "b.expt", replace(made.experiment, detector=Detector(panels=nowhere)))
    write_geometry(tmp_path / "a.json", made.experiment)
    compared = compare(tmp_path / "a.json", tmp_path / "b.expt")
    np.testing.assert_allclose(centres(compared.after), centres(made.true_detector), atol=1e-8)
