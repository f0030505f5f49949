"""Where CrystFEL geometries have frames: axes, placeholders, datasets of panels."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.crystfel_files import FAST, SLOW, N, counts, events, geometry, run_of

from dxdask.errors import FormatError, InputError


def written(folder: Path, **datasets: object) -> Path:
    path = folder / "run.h5"
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name.replace("__", "/")] = value
    return path


def test_one_image_without_axes_of_events(tmp_path: Path) -> None:
    path = written(tmp_path, data__data=counts()[0])
    for head in ({"dim0": None, "dim1": None, "dim2": None},
                 {"dim0": "ss", "dim1": "fs", "dim2": None}):  # fmt: skip
        run = run_of(path, geometry(tmp_path, head))
        assert np.array_equal(run.read(0, 1), counts()[:1])
        scan = run.experiment.scan
        assert scan is not None
        assert scan.oscillation == (0.0, 0.0)


def test_events_as_the_last_axis(tmp_path: Path) -> None:
    path = written(tmp_path, data__data=np.moveaxis(counts(), 0, 2))
    run = run_of(path, geometry(tmp_path, {"dim0": "ss", "dim1": "fs", "dim2": "%"}))
    assert np.array_equal(run.read(1, 3), counts()[1:3])
    with pytest.raises(FormatError, match=r"put together .* import it with link=false"):
        run_of(path, geometry(tmp_path, {"dim0": "ss", "dim1": "fs", "dim2": "%"}), link=True)


def test_two_axes_of_events(tmp_path: Path) -> None:
    path = written(tmp_path, data__data=counts().reshape(2, 2, SLOW, FAST))
    head = {"dim1": "%", "dim2": "ss", "dim3": "fs"}
    assert np.array_equal(run_of(path, geometry(tmp_path, head)).read(0, N), counts())


def test_a_fixed_index_before_the_rows(tmp_path: Path) -> None:
    two = np.stack([counts() + 1000, counts()], axis=1)
    path = written(tmp_path, data__data=two)
    head = {"dim1": "1", "dim2": "ss", "dim3": "fs"}
    run = run_of(path, geometry(tmp_path, head))
    frames = run.read(0, N)
    for i, panel in enumerate(run.experiment.detector.panels):
        assert np.array_equal(frames[:, *panel.slices], counts()[:, 4 * i : 4 * i + 4])
    assert run.mask.sum() == SLOW * FAST


@pytest.mark.parametrize("mask", ["of all", "of events", "of panels"])
def test_panels_as_the_first_axis_of_one_event(tmp_path: Path, mask: str) -> None:
    two = counts()[0].reshape(2, 4, FAST)
    bits = np.zeros_like(two)
    bits[1, 2, 3] = 1
    path = written(tmp_path, data__data=two, bits=bits)
    own = {"min_ss": "0", "max_ss": "3"}
    places = {"mask": "/bits", "mask_bad": "1"}
    head = {**(places if mask == "of all" else {})}
    on = places if mask == "of panels" else {}
    run = run_of(path, geometry(tmp_path, head, p0={**own, "dim0": "0"},
                                p1={**own, "dim0": "1", **on}))  # fmt: skip
    assert np.array_equal(run.read(0, 1)[0], counts()[0])
    assert np.argwhere(~run.mask).tolist() == ([[6, 3]] if mask != "of events" else [])


def test_panels_in_datasets_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, a=counts()[:, :4], b=counts()[:, 4:], bits=np.eye(4, FAST, dtype=int))
    own = {"min_ss": "0", "max_ss": "3"}
    masked = {"mask": "/bits", "mask_bad": "1"}
    run = run_of(path, geometry(tmp_path, p0={**own, "data": "/a"},
                                p1={**own, "data": "/b", **masked}))  # fmt: skip
    assert np.array_equal(run.read(0, N), counts())
    assert np.argwhere(~run.mask).tolist() == [[4, 0], [5, 1], [6, 2], [7, 3]]
    with h5py.File(path, "a") as file:
        del file["b"]
    with pytest.raises(FormatError, match="no dataset /b, which the geometry names"):
        run_of(path, tmp_path / "g.geom")
    with h5py.File(path, "a") as file:
        file["b"] = counts()[:3, 4:]
    with pytest.raises(FormatError, match="of other events"):
        run_of(path, tmp_path / "g.geom")


def test_placeholders_in_names(tmp_path: Path) -> None:
    names = ["shot1", "shot2", "shot10", "shot20"]
    path, bits = tmp_path / "run.h5", np.zeros((SLOW, FAST), int)
    with h5py.File(path, "w") as file:
        for name, frame, energy in zip(names, counts(), (9.0, 9.1, 9.2, 9.3), strict=True):
            file[f"entry/{name}/data"] = frame
            file[f"entry/{name}/energy"] = energy
            bits[:] = 0
            bits[1], bits[2, 3] = 1, name == "shot10"
            file[f"entry/{name}/mask"] = bits
        file["entry/instrument/name"] = "none"
    head = {"data": "/entry/%/data", "dim0": "ss", "dim1": "fs", "dim2": None,
            "photon_energy": "/entry/%/energy keV", "mask": "/entry/%/mask",
            "mask_bad": "1"}  # fmt: skip
    run = run_of(path, geometry(tmp_path, head))
    expected = counts()
    expected[:, 1], expected[2, 2, 3] = 65535, 65535
    assert np.array_equal(run.read(0, N), expected)
    assert np.flatnonzero(~run.mask.all(axis=1)).tolist() == [1]
    wavelengths = run.experiment.beam.wavelengths
    assert wavelengths == pytest.approx(12.398419843 / np.array([9.0, 9.1, 9.2, 9.3]))
    with h5py.File(path, "a") as file:
        del file["entry/shot2/energy"]
    with pytest.raises(FormatError, match="no /entry/shot2/energy"):
        run_of(path, tmp_path / "g.geom")


def test_placeholders_in_names_and_axes(tmp_path: Path) -> None:
    path = written(tmp_path, r__a__x=counts()[:3], r__b__x=counts()[3:])
    head = {"data": "/r/%/x", "photon_energy": "/e eV"}
    with h5py.File(path, "a") as file:
        file["e"] = np.array([9000.0, 9100, 9200, 9300])
    run = run_of(path, geometry(tmp_path, head))
    assert np.array_equal(run.read(0, N), counts())
    assert run.experiment.beam.wavelengths is not None
    assert run.experiment.beam.wavelengths[3] == pytest.approx(12398.419843 / 9300)
    with h5py.File(path, "a") as file:
        file["r/a/e"], file["r/b/e"] = np.array([9000.0, 9100, 9200]), 9300.0
    again = run_of(path, geometry(tmp_path, {**head, "photon_energy": "/r/%/e eV"}))
    assert again.experiment.beam.wavelengths == run.experiment.beam.wavelengths


def test_another_dataset_than_the_geometry_names(tmp_path: Path) -> None:
    path = written(tmp_path, other__place=counts())
    with pytest.raises(FormatError, match=r"name that of its frames with input\.dataset"):
        run_of(path, geometry(tmp_path))
    given = {"reference_geometry": tmp_path / "g.geom", "dataset": "/other/place"}
    assert np.array_equal(run_of(path, tmp_path / "g.geom", input=given).read(0, N), counts())


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"dim1": "fs", "dim2": "ss"}, "one axis ss and behind it one axis fs"),
        ({"dim2": "%"}, "one axis ss and behind it one axis fs"),
        ({"dim2": "ss"}, "one axis ss and behind it one axis fs"),
        ({"dim4": "fs"}, "has dim4 without dim3"),
        ({"dim1": "-1"}, "none of ss, fs, % and an index"),
        ({"dim1": "x"}, "is not a number"),
        ({"dim1": "2", "dim2": "ss", "dim3": "fs"}, r"its axes are \(%, 2, ss, fs\)"),
        ({"data": "/data/%", "dim3": "fs", "dim2": "ss", "dim1": "0"}, "its axes are"),
        ({"data": "/dat%/data"}, "% in a part of a name"),
        ({"data": "/none/%/data"}, "has no dataset /none/%/data"),
    ],
)
def test_places_that_are_not_there(tmp_path: Path, head: dict[str, str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        run_of(events(tmp_path), geometry(tmp_path, head))


def test_panels_outside_of_the_frames(tmp_path: Path) -> None:
    for own in ({"max_fs": "6"}, {"max_ss": "8"}):
        with pytest.raises(InputError, match="give the geometry of this detector"):
            run_of(events(tmp_path), geometry(tmp_path, p1=own))
    path = written(tmp_path, data__data=np.moveaxis(counts(), 0, 2))
    head = {"dim0": "ss", "dim1": "fs", "dim2": "%"}
    for own in ({"max_fs": "6"}, {"max_ss": "8"}, {"max_ss": "2000000000"}):
        with pytest.raises(FormatError, match=r"too small|no detector records that"):
            run_of(path, geometry(tmp_path, head, p1=own))
