"""Geometry of panels as plain JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Detector, Group, Panel
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.json_geometry import json_geometry, models_of
from dxdask.storage.importers.reference_geometry import read_geometry

PANEL = {
    "name": "p0", "origin": [-5.0, 5.0, -110.0], "fast": [1, 0, 0], "slow": [0, -1, 0],
    "data_origin_slow_fast": [4, 0],
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "pixel_size_mm": 0.1, "image_size_fast_slow": [10, 4], "panels": [PANEL],
}  # fmt: skip


@pytest.mark.shared
def test_the_nominal_geometry_is_that_of_the_nxmx_file(shared: Path) -> None:
    found = read_geometry(shared / "data/stills/geometry_nominal.json")
    run = read_runs([shared / "data/stills/corrected.h5"])[0].experiment
    for one, other in zip(found.detector.panels, run.detector.panels, strict=True):
        np.testing.assert_allclose(one.d_matrix, other.d_matrix, atol=1e-9)
        assert (one.offset, one.image_size) == (other.offset, other.image_size)
    assert found.beam is not None
    assert found.beam.direction == run.beam.direction
    assert np.abs(found.beam.polarization_normal) == pytest.approx(
        np.abs(run.beam.polarization_normal), abs=1e-12
    )
    assert not found.has_wavelength


def test_models_come_back() -> None:
    panels = tuple(
        Panel(
            name=f"p{i}", origin=(10.0 * i, 1.0, -90.0), image_size=(4, 5), offset=(0, 5 * i),
            pixel_size=(0.1, 0.2), gain=3.0, trusted_range=(-3.0, 99.0),
        )
        for i in range(3)
    )  # fmt: skip
    groups = (Group(name="a", panels=(0, 1), origin=(1.0, 2.0, 3.0)), Group(name="b", panels=(2,)))
    detector, beam = Detector(panels=panels, root=Group(groups=groups)), Beam(wavelength=1.25)
    text = json.dumps(json_geometry(detector, beam))
    assert models_of(json.loads(text), "here") == (detector, beam)
    flat = Detector(panels=panels)
    assert models_of(json_geometry(flat, beam), "here")[0].root.all_panels() == (0, 1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"panels": []}, "has no panel"),
        ({"panels": [{}]}, "lacks 'fast'"),
        ({"panels": 3}, "not a geometry of panels"),
        ({"panels": [{**PANEL, "slow": [1, 0, 0]}]}, "not at right angles"),
        ({"panels": [{**PANEL, "origin": [1, 2]}]}, "not three numbers"),
        ({"panels": [{**PANEL, "origin": [1, 2, float("nan")]}]}, "not finite"),
        ({"image_size_fast_slow": [0, 4]}, "has no pixels"),
        ({"groups": [{"panels": ["p5"]}]}, "not a geometry of panels"),
        ({"groups": [{"panels": [5]}]}, "of 1"),
    ],
)  # fmt: skip
def test_errors_name_the_fault(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        models_of({**GIVEN, **change}, "here")


def test_files_without_a_geometry_are_refused(tmp_path: Path) -> None:
    for name, text, message in (
        ("a.json", "[1, 2]", "no JSON object"),
        ("b.json", "{", "not JSON"),
        ("c.txt", "{}", r"give CrystFEL's \.geom"),
        ("d.json", '{"a": ' + "[" * 100_000, "not JSON"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(FormatError, match=message):
            read_geometry(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_geometry(tmp_path / "none.json")
