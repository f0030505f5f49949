"""CrystFEL's geometry files: read, written, and compared with CrystFEL's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Group, Panel
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.exporters.crystfel_geometry import crystfel_text, write_crystfel_geometry
from dxdask.storage.importers.crystfel.geometry import read_crystfel, region_mask
from dxdask.storage.importers.crystfel.units import Values
from dxdask.storage.importers.json_geometry import models_of

HEAD = "clen = 110 mm\nres = 10000\nphoton_energy = 9500 eV\n"
PANEL = """{n}/min_fs = 0
{n}/max_fs = 9
{n}/min_ss = {y}
{n}/max_ss = {z}
{n}/corner_x = 5.5
{n}/corner_y = -3
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "a.geom"
    path.write_text(text)
    return path


def panels(n: int = 2, rows: int = 4) -> str:
    return "".join(PANEL.format(n=f"p{i}", y=rows * i, z=rows * i + rows - 1) for i in range(n))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["nominal", "true"])
def test_the_geometry_that_crystfel_was_run_with(shared: Path, name: str) -> None:
    found = read_crystfel(shared / f"reference/stills/crystfel/{name}.geom")
    truth = json.loads((shared / f"data/stills/geometry_{name}.json").read_text())
    expected, _ = models_of(truth, name)
    for one, other in zip(found.detector.panels, expected.panels, strict=True):
        assert (one.name, one.image_size, one.offset) == (
            other.name,
            other.image_size,
            other.offset,
        )
        # as many digits as the file has
        np.testing.assert_allclose(one.d_matrix, other.d_matrix, atol=1e-6)
        assert one.pixel_size == pytest.approx(other.pixel_size, abs=1e-8)
    assert {p.data for p in found.layout.places} == {"/entry/data/data"}
    (mask,) = found.masks
    assert (mask.data, mask.good, mask.bad) == (
        "/entry/instrument/detector/pixel_mask",
        0,
        0xFFFFFFFF,
    )
    assert mask.panels == tuple(p.name for p in found.detector.panels)
    assert found.detector[0].trusted_range[0] == pytest.approx(-500)


def rotated(seed: int) -> Detector:
    """Return two quadrants of two panels, all rotated and shifted at random."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(4):
        panel = Panel(
            name=f"q{i // 2}a{i % 2}",
            origin=(float(40.0 * i), 3.0, -110.0),
            pixel_size=(0.11, 0.11 if i else 0.22),
            image_size=(20, 10 + i),
            offset=(5, 30 * i),
            gain=7.5,
            trusted_range=(-10.0, 40000.0),
            invalid_values=(7.0, 65534.0) if i == 2 else (),
            mask=((2, 3, 5, 7),) if i == 1 else (),
        )
        axis = rng.normal(size=3)
        parts.append(panel.moved(rotation_matrix(axis, rng.normal(0, 0.02)), rng.normal(size=3)))
    quadrants = tuple(Group(name=f"quad{i}", panels=(2 * i, 2 * i + 1)) for i in range(2))
    return Detector(panels=tuple(parts), root=Group(name="all", groups=quadrants))


@given(st.integers(0, 10_000))
def test_a_detector_comes_back(seed: int) -> None:
    import tempfile

    detector, beam = rotated(seed), Beam(wavelength=1.3051)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.geom"
        write_crystfel_geometry(path, detector, beam)
        found = read_crystfel(path)
    assert found.beam is not None
    assert found.beam.wavelength == beam.wavelength
    for one, other in zip(found.detector.panels, detector.panels, strict=True):
        np.testing.assert_allclose(one.d_matrix, other.d_matrix, atol=2e-9)
        assert one.pixel_size == pytest.approx(other.pixel_size, rel=1e-9)
        for name in (
            "name",
            "image_size",
            "offset",
            "gain",
            "trusted_range",
            "mask",
            "invalid_values",
        ):
            assert getattr(one, name) == getattr(other, name), name
    root = found.detector.root
    assert (root.name, [(g.name, g.panels) for g in root.groups]) == (
        "all",
        [("quad0", (0, 1)), ("quad1", (2, 3))],
    )


def test_electrons_come_back(tmp_path: Path) -> None:
    for wavelength in (0.0370, 0.0196875, 0.00872):
        beam = Beam(wavelength=wavelength, probe="electron")
        write_crystfel_geometry(tmp_path / "e.geom", rotated(0), beam)
        found = read_crystfel(tmp_path / "e.geom").beam
        assert found is not None
        assert found.probe == "electron"
        assert found.wavelength == pytest.approx(wavelength, rel=1e-12)


def test_names_that_a_file_does_not_take_are_replaced() -> None:
    detector = Detector(
        panels=(Panel(name="/entry/a b", image_size=(3, 4)), Panel(name="bad1", image_size=(3, 4)))
    )
    assert "p1/min_fs = 0" in crystfel_text(detector, Beam())


def test_camera_lengths_and_energies_in_their_units(tmp_path: Path) -> None:
    for clen, energy in (("0.11", "9500"), ("110 mm", "9.5 keV"), ("11 cm", "9500 eV")):
        text = f"clen = {clen}\nphoton_energy = {energy}\nres = 1e4\n" + panels()
        found = read_crystfel(written(tmp_path, text))
        assert found.beam is not None
        assert found.beam.wavelength == pytest.approx(12398.4198 / 9500, rel=1e-6)
        assert found.detector[0].origin == pytest.approx((-0.55, -0.3, -110.0))
        assert found.detector[0].fast_axis == (-1.0, 0.0, 0.0)
        assert found.detector[0].slow_axis == (0.0, 1.0, 0.0)


def test_a_camera_length_in_the_data_file(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD.replace("110 mm", "/det/z mm") + "coffset = 0.5\n" + panels())
    found = read_crystfel(path, lookup={"/det/z": Values(numbers=np.array([85.0]))}.__getitem__)
    assert found.detector[0].origin[2] == pytest.approx(-585.0)
    with pytest.raises(FormatError, match="dataset in the data file"):
        read_crystfel(path)


def test_directions_as_they_are_written(tmp_path: Path) -> None:
    for text, expected in (
        ("x", (-1, 0, 0)), ("-y", (0, -1, 0)), ("+0.6x -0.8y", (-0.6, -0.8, 0)),
        ("0.8z+0.6x", (-0.6, 0, -0.8)), ("-1.0e0x + 0.0y", (1, 0, 0)),
    ):  # fmt: skip
        ss = "z" if text[-1] == "y" and text[0] == "-" else "y"
        ss = {"+0.6x -0.8y": "0.8x + 0.6y", "-y": "x"}.get(text, ss)
        found = read_crystfel(written(tmp_path, HEAD + f"fs = {text}\nss = {ss}\n" + panels(1)))
        assert found.detector[0].fast_axis == pytest.approx(expected)


def test_panels_that_are_an_axis_of_the_data_lie_below_one_another(tmp_path: Path) -> None:
    text = HEAD + "dim0 = %\ndim2 = ss\ndim3 = fs\n"
    for i in range(3):
        text += f"p{i}/dim1 = {i}\n" + PANEL.format(n=f"p{i}", y=0, z=3)
    path = written(tmp_path, text)
    assert [p.offset for p in read_crystfel(path).detector.panels] == [(0, 0), (0, 4), (0, 8)]
    assert read_crystfel(path, n_slow=6).detector[2].offset == (0, 12)


def test_bad_regions(tmp_path: Path) -> None:
    text = HEAD + panels() + (
        "bada/panel = p1\nbada/min_fs = 2\nbada/max_fs = 3\nbada/min_ss = 5\nbada/max_ss = 20\n"
        "badb/min_x = 5\nbadb/max_x = 8.6\nbadb/min_y = -10\nbadb/max_y = -1.4\n"
    )  # fmt: skip
    found = read_crystfel(written(tmp_path, text))
    assert found.detector[0].mask == ()
    assert found.detector[1].mask == ((2, 1, 4, 4),)
    good = region_mask(found, (8, 10))
    # x = 5.5 + fs, y = -3 + ss of the pixels' centres
    expected = np.ones((4, 10), dtype=np.bool_)
    expected[:2, :3] = False
    assert np.array_equal(good, np.vstack([expected, expected]))


def test_rigid_groups_that_overlap_are_a_problem(tmp_path: Path) -> None:
    text = HEAD + "rigid_group_a = p0,p1\nrigid_group_b = p1,p2\n" + panels(3)
    found = read_crystfel(written(tmp_path, text))
    assert found.detector.root.panels == (0, 1, 2)
    assert [p for p in found.problems if "rigid_group is not used: the groups a and b" in p]
    text = HEAD + panels(2) + "p0/rigid_group = q\np1/rigid_group = q\n"
    assert read_crystfel(written(tmp_path, text)).detector.root.name == "q"


def test_groups_many_times_in_groups(tmp_path: Path) -> None:
    first = "group_g0 = p0,p1\n"
    lines = "".join(f"group_g{i + 1} = g{i},g{i}\n" for i in range(30))
    found = read_crystfel(written(tmp_path, HEAD + first + lines + panels(2)))
    assert found.detector.root.panels == (0, 1)
    lines = "".join(f"group_g{i + 1} = g{i}\n" for i in reversed(range(400)))
    path = written(tmp_path, HEAD + lines + first + panels(2))
    with pytest.raises(FormatError, match="more than 32 groups"):
        read_crystfel(path)


def test_text_of_other_editors(tmp_path: Path) -> None:
    path = tmp_path / "a.geom"
    for data in (
        ("\ufeff" + HEAD + panels()).encode(),
        ("; 75 \u00b5m\n" + HEAD + panels()).encode("latin-1"),
        (HEAD + panels()).replace("\n", "\r\n").encode(),
    ):
        path.write_bytes(data)
        assert len(read_crystfel(path).detector) == 2


def test_groups_of_older_and_newer_files(tmp_path: Path) -> None:
    old = (
        "rigid_group_q0 = p0,p1,p2\nrigid_group_a0 = p0,p1\nrigid_group_q1 = p3\n"
        "rigid_group_collection_quadrants = q0,q1\n"
    )
    root = read_crystfel(written(tmp_path, HEAD + old + panels(4))).detector.root
    assert root.panels == (3,)
    assert [(g.name, g.panels, g.groups[0].name) for g in root.groups] == [("q0", (2,), "a0")]
    assert root.groups[0].groups[0].panels == (0, 1)
    new = "group_top = p0,p1\ngroup_all = top,p2\n"
    root = read_crystfel(written(tmp_path, HEAD + new + panels(3))).detector.root
    assert (root.name, root.panels, root.groups[0].panels) == ("all", (2,), (0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clen = 1\n", "has no panel"),
        ("hello world\n", "line 1: 'hello world' is not"),
        (HEAD + panels().replace("corner_y = -3", "corner_y = up"), "up is not a number"),
        (HEAD.replace("res = 10000\n", "") + panels(), "panel p0 has no res"),
        (HEAD.replace("clen = 110 mm\n", "") + panels(), "panel p0 has no clen"),
        (HEAD.replace("mm", "furlong") + panels(), "unit that is not known; give m, cm, mm"),
        (HEAD + "fs = 1.0w\n" + panels(), "not a direction such as"),
        (HEAD + "fs = x\nss = x\n" + panels(), "not at right angles"),
        (HEAD + panels() + "p0/max_fs = -1\n", "ends before it begins"),
        (HEAD + panels() + "group_a = p0,p9\n", "p9, which is neither a panel nor a group"),
        (HEAD + panels(3) + "group_a = p0,p1\ngroup_b = p1,p2\n", "groups a and b overlap"),
        (HEAD + panels() + "group_a = b,p0\ngroup_b = a,p1\n", "is in itself"),
        (HEAD + panels() + "bad0/panel = p7\nbad0/min_fs = 0\n", "panel p7, which does not exist"),
        (HEAD + panels() + "p0/dim0 = 1\np0/dim1 = 2\n", "one axis ss and behind it one axis fs"),
        (HEAD + "adu_per_photon = 0\n" + panels(), "gain of 0 ADU"),
        (HEAD + "no_index = 1\n" + panels(), "none to use"),
    ],
)  # fmt: skip
def test_errors_name_the_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_crystfel(written(tmp_path, text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.geom"
    path.write_bytes(b"\x89HDF\xff\xfe")
    with pytest.raises(FormatError, match="not text"):
        read_crystfel(path)
