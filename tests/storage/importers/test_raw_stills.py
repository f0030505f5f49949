"""Raw runs in HDF5 that is not NXmx: frames of panels, separate geometry, values of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError
from dxdask.storage.importers import ImportParameters, RunSource, read_runs
from dxdask.storage.importers.nxmx.axes import numbers
from dxdask.storage.store.store import Store

N, PANELS, SLOW, FAST = 5, 3, 4, 6
FRAMES = np.arange(N * PANELS * SLOW * FAST, dtype=np.uint16).reshape(N, PANELS, SLOW, FAST)
GEOMETRY: dict[str, Any] = {
    "pixel_size_mm": 0.1,
    "image_size_fast_slow": [FAST, SLOW],
    "panels": [
        {
            "name": f"p{i}", "origin": [0.0, 1.0 * i, -100.0], "fast": [1, 0, 0],
            "slow": [0, -1, 0], "data_origin_slow_fast": [SLOW * i, 0],
        }
        for i in range(PANELS)
    ],
}  # fmt: skip
GEOM = "clen = 100 mm\nres = 10000\ndata = /entry/data/data\ndim0 = %\ndim2 = ss\ndim3 = fs\n"
for _i in range(PANELS):
    GEOM += (
        f"p{_i}/dim1 = {_i}\np{_i}/min_fs = 0\np{_i}/max_fs = {FAST - 1}\np{_i}/min_ss = 0\n"
        f"p{_i}/max_ss = {SLOW - 1}\np{_i}/corner_x = 0\np{_i}/corner_y = {10 * _i}\n"
        f"p{_i}/fs = -1x\np{_i}/ss = -1y\n"
    )


def written(folder: Path, name: str = "run.h5", **datasets: Any) -> Path:
    path = folder / name
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.create_dataset("data/data", data=FRAMES, chunks=(1, PANELS, SLOW, FAST))
        given = {"photon_energy": np.linspace(9000.0, 9400.0, N), **datasets}
        for key, values in given.items():
            if values is not None:
                entry.create_dataset(key, data=values)
    return path


def geometry(folder: Path, text: str = "", **changes: Any) -> Path:
    path = folder / ("g.geom" if text else "g.json")
    path.write_text(text or json.dumps({**GEOMETRY, **changes}))
    return path


def run_of(path: Path, **parameters: Any) -> RunSource:
    return read_runs([path], ImportParameters.model_validate(parameters))[0]


def flat(frames: NDArray[Any]) -> NDArray[Any]:
    return frames.reshape(len(frames), -1, FAST)


def test_panels_are_stored_one_below_the_other(tmp_path: Path) -> None:
    run = run_of(written(tmp_path), input={"reference_geometry": geometry(tmp_path)})
    assert run.shape == (N, PANELS * SLOW, FAST)
    assert run.dtype == np.uint16
    assert np.array_equal(run.read(0, N), flat(FRAMES))
    assert np.array_equal(run.read(2, 4), flat(FRAMES[2:4]))
    assert run.mask.all()
    assert [p.offset for p in run.experiment.detector.panels] == [(0, 0), (0, 4), (0, 8)]
    assert run.experiment.detector[0].trusted_range == (-1.0, 65535.0)
    expected = 12398.4198 / np.linspace(9000.0, 9400.0, N)
    assert run.experiment.beam.wavelengths == pytest.approx(expected, rel=1e-7)
    assert run.columns["wavelength"] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("by", ["json", "geom"])
def test_the_same_geometry_in_both_formats(tmp_path: Path, by: str) -> None:
    path = geometry(tmp_path, GEOM if by == "geom" else "")
    found = run_of(written(tmp_path), input={"reference_geometry": path}).experiment.detector
    for i, panel in enumerate(found.panels):
        assert panel.origin == pytest.approx((0.0, 1.0 * i, -100.0))
        assert panel.fast_axis == pytest.approx((1.0, 0.0, 0.0))
        assert panel.slow_axis == pytest.approx((0.0, -1.0, 0.0))
        assert panel.offset == (0, SLOW * i)


def test_a_geometry_in_the_file_itself(tmp_path: Path) -> None:
    run = run_of(written(tmp_path, geometry_json=json.dumps(GEOMETRY)))
    assert len(run.experiment.detector) == PANELS


def test_numbers_and_times_of_events(tmp_path: Path) -> None:
    ids = np.array([9, 4, 2**60, 7, 1], dtype=np.uint64)
    path = written(tmp_path, event_id=ids, timestamp=np.arange(N) + 0.5)
    run = run_of(path, input={"reference_geometry": geometry(tmp_path)})
    assert run.columns["event_id"].tolist() == ids.tolist()
    assert run.columns["timestamp"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"events": (7, 9)}, [0, 3]),
        ({"max_events": 2}, [0, 1]),
        ({"events": (1, 9, 4), "max_events": 2}, [0, 1]),
        ({"events": (4, 5, 7)}, [1, 2, 3]),
    ],
)
def test_events_are_chosen_by_number_and_count(
    tmp_path: Path, asked: dict[str, Any], chosen: list[int]
) -> None:
    ids = np.array([9, 4, 5, 7, 1])
    given = {"input": {"reference_geometry": geometry(tmp_path)}, **asked}
    run = run_of(written(tmp_path, event_id=ids), **given)
    assert run.shape[0] == len(chosen)
    assert run.columns["event_id"].tolist() == ids[chosen].tolist()
    assert np.array_equal(run.read(0, len(chosen)), flat(FRAMES[chosen]))
    assert np.array_equal(run.read(1, 2), flat(FRAMES[chosen[1:2]]))
    energies = np.linspace(9000.0, 9400.0, N)[chosen]
    assert run.experiment.beam.wavelengths == pytest.approx(12398.4198 / energies, rel=1e-7)
    assert run.experiment.scan is not None
    assert run.experiment.scan.image_range == (1, len(chosen))
    linked = run_of(written(tmp_path, "b.h5", event_id=ids), **given, link=True)
    assert linked.manifest is not None
    assert linked.manifest.shape[0] == len(chosen)


def test_events_of_several_runs(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, "a.h5", event_id=np.arange(5)),
        written(tmp_path, "b.h5", event_id=np.arange(5, 10)),
    ]

    def chosen(**asked: Any) -> list[list[int]]:
        given = {"input": {"reference_geometry": geometry(tmp_path)}, **asked}
        runs = read_runs(paths, ImportParameters.model_validate(given))
        return [r.columns["event_id"].tolist() for r in runs]

    assert chosen(events=(6, 2)) == [[2], [6]]
    assert chosen(events=(6,)) == [[6]]
    assert chosen(max_events=7) == [[0, 1, 2, 3, 4], [5, 6]]
    with pytest.raises(InputError, match="events=12: no run has them"):
        chosen(events=(3, 12))


def test_images_are_their_own_numbers_where_there_are_none(tmp_path: Path) -> None:
    given = {"input": {"reference_geometry": geometry(tmp_path)}, "events": (2, 5)}
    run = run_of(written(tmp_path), **given)
    assert run.columns["event_id"].tolist() == [2, 5]
    assert np.array_equal(run.read(0, 2), flat(FRAMES[[1, 4]]))


def test_a_mask_that_the_geometry_names(tmp_path: Path) -> None:
    bits = np.zeros((PANELS, SLOW, FAST), dtype=np.uint32)
    bits[1, 2, 3], bits[2, 0, 0] = 4, 1
    text = "mask0_data = /entry/mask\nmask0_goodbits = 0\nmask0_badbits = 0x6\n" + GEOM
    path = geometry(tmp_path, text)
    run = run_of(written(tmp_path, mask=bits), input={"reference_geometry": path})
    assert np.argwhere(~run.mask).tolist() == [[SLOW + 2, 3]]
    with pytest.raises(FormatError, match="no mask /entry/mask of numbers"):
        run_of(written(tmp_path), input={"reference_geometry": path})


def test_wavelengths_wherever_they_are(tmp_path: Path) -> None:
    path = geometry(tmp_path)
    given = {"input": {"reference_geometry": path}}
    single = run_of(written(tmp_path, photon_energy=None, wavelength=np.full(N, 1.25)), **given)
    assert single.experiment.beam.wavelength == 1.25
    with pytest.raises(FormatError, match=r"give geometry\.beam\.wavelength"):
        run_of(written(tmp_path, photon_energy=None), **given)
    asked = run_of(
        written(tmp_path, photon_energy=None), **given, geometry={"beam": {"wavelength": 1.5}}
    )
    assert asked.experiment.beam.wavelength == 1.5
    assert asked.columns["wavelength"].tolist() == [1.5] * N
    named = run_of(
        written(tmp_path, photon_energy=None, eV=np.full(N, 9500.0)),
        input={"reference_geometry": geometry(tmp_path, "photon_energy = /entry/eV eV\n" + GEOM)},
    )
    assert named.experiment.beam.wavelength == pytest.approx(12398.4198 / 9500.0, rel=1e-7)
    bad = np.linspace(-1.0, 9000.0, N)
    some = run_of(written(tmp_path, photon_energy=bad), **given).experiment.beam
    assert some.wavelengths is not None
    assert some.wavelengths[0] == 0.0
    assert min(some.wavelengths[1:]) > 0.0
    assert some.wavelength == pytest.approx(np.mean(some.wavelengths[1:]))
    with pytest.raises(FormatError, match="no positive wavelength or energy"):
        run_of(written(tmp_path, photon_energy=-1.0 - np.abs(bad)), **given)


def test_another_dataset(tmp_path: Path) -> None:
    path = written(tmp_path)
    with h5py.File(path, "a") as file:
        file.move("entry/data/data", "raw/pixels")
    given = {"reference_geometry": geometry(tmp_path)}
    with pytest.raises(FormatError, match=r"name that of its frames with input\.dataset"):
        run_of(path, input=given)
    found = run_of(path, input={**given, "dataset": "/raw/pixels"})
    assert np.array_equal(found.read(0, N), flat(FRAMES))


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(FormatError, match=r"give input\.reference_geometry=FILE"):
        run_of(path)
    wide = geometry(tmp_path, image_size_fast_slow=[FAST + 1, SLOW])
    with pytest.raises(InputError, match="give the geometry of this detector"):
        run_of(path, input={"reference_geometry": wide})
    one = geometry(tmp_path, panels=GEOMETRY["panels"][:1])
    with pytest.raises(InputError, match="with 1 panels, run run has frames"):
        run_of(path, input={"reference_geometry": one})
    with pytest.raises(InputError, match="no such file"):
        run_of(path, input={"reference_geometry": tmp_path / "none.geom"})


def test_it_goes_into_a_store_and_back(tmp_path: Path) -> None:
    import dxdask

    ids = np.array([9, 4, 2**60, 7, 1])
    path = written(tmp_path, event_id=ids)
    for link in (False, True):
        store = dxdask.import_(
            [path],
            tmp_path / f"{link}.zarr",
            link=link,
            input={"reference_geometry": geometry(tmp_path)},
            events=(4, 7),
        )
        assert isinstance(store, Store)
        assert store.image_columns("run")["event_id"].tolist() == [4, 7]
        assert np.array_equal(store.frame_reader("run").read(0, 2), flat(FRAMES[[1, 3]]))


@pytest.mark.shared
def test_the_raw_events_of_the_simulated_run(shared: Path) -> None:
    folder = shared / "data/stills"
    by_file = run_of(folder / "raw.h5")
    by_json = run_of(
        folder / "raw.h5", input={"reference_geometry": folder / "geometry_nominal.json"}
    )
    assert by_file.experiment.detector == by_json.experiment.detector
    assert by_file.shape == (26, 2048, 512)
    corrected = run_of(folder / "corrected.h5", events=by_file.columns["event_id"].tolist())
    assert corrected.columns["event_id"].tolist() == by_file.columns["event_id"].tolist()
    assert corrected.experiment.beam.wavelengths == pytest.approx(
        by_file.experiment.beam.wavelengths, rel=1e-9
    )
    with h5py.File(folder / "raw.h5", locking=False) as file:
        assert numbers(file["entry/photon_energy"]).size == 26
        assert np.array_equal(by_file.read(3, 5), flat_of(file["entry/data/data"][3:5]))


def flat_of(frames: NDArray[Any]) -> NDArray[Any]:
    return frames.reshape(len(frames), -1, frames.shape[-1])


@pytest.mark.shared
def test_a_refined_geometry_for_an_nxmx_run(shared: Path) -> None:
    folder = shared / "data/stills"
    own = run_of(folder / "corrected.h5").experiment
    true = folder / "geometry_true.json"
    run = run_of(folder / "corrected.h5", input={"reference_geometry": true})
    truth = json.loads(true.read_text())["panels"]
    for panel, before, expected in zip(
        run.experiment.detector.panels, own.detector.panels, truth, strict=True
    ):
        assert panel.origin == pytest.approx(tuple(expected["origin"]))
        assert panel.trusted_range == before.trusted_range
        assert (panel.material, panel.thickness) == (before.material, before.thickness)
    assert run.experiment.beam.wavelengths == own.beam.wavelengths
    kept = run_of(
        folder / "corrected.h5",
        input={"reference_geometry": true, "use_detector_reference": False},
    )
    assert kept.experiment.detector == own.detector


@pytest.mark.shared
def test_the_hierarchy_of_the_cspad(shared: Path) -> None:
    path = next((shared / "data/real/thermolysin_cspad").glob("*.cbf"))
    root = read_runs([path])[0].experiment.detector.root
    assert len(root.groups) == 4
    for quadrant in root.groups:
        assert [len(sensor.panels) for sensor in quadrant.groups] == [2] * 8
    assert sorted(root.all_panels()) == list(range(64))
