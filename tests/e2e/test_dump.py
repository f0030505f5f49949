"""Chosen events as files: the same pixels, places, wavelengths and numbers as in the store."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import hdf5plugin
import numpy as np
import pytest
from support.processed_stills import (
    EVENT_IDS,
    HITS,
    PATTERN,
    WAVELENGTHS,
    photons,
    processed_stills,
)

import dxdask
from dxdask.calibration import CalibrationParameters, calibration_of
from dxdask.cli.main import run
from dxdask.errors import InputError, ParameterError
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline.calibration import to_store
from dxdask.pipeline.dump.choice import choose
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.pipeline.dump.write import Dumped, dump_store
from dxdask.storage.importers import RunSource, read_runs
from dxdask.storage.store.calibration import write_calibration
from dxdask.storage.store.store import Store

BLANK = [i for i, letter in enumerate(PATTERN) if letter == "."]
DIALS_PYTHON = Path("/usr/bin/python3")


def given(**parameters: object) -> DumpParameters:
    return with_assignments(DumpParameters(), flatten(parameters))


def dumped(store: Store, folder: Path, **parameters: object) -> Dumped:
    return dump_store(store, folder, given(**parameters))


def only(paths: tuple[str, ...]) -> RunSource:
    [source] = read_runs(list(paths))
    return source


@pytest.mark.parametrize(
    ("parameters", "images"),
    [
        ({}, HITS),
        ({"which": "hits"}, HITS),
        ({"which": "indexed"}, HITS),
        ({"which": "integrated", "max_events": 2}, HITS[:2]),
        ({"which": "blank"}, BLANK),
        ({"which": "all"}, list(range(5))),
        ({"fate": ("NO_HIT",)}, BLANK),
        ({"fate": ("integrated",)}, HITS),
        ({"fate": ("too few spots for a hit",), "events": (21, 17)}, [3]),
        ({"images": (1, 3)}, [0, 2]),
        ({"images": (1, 3), "which": "hits"}, [2]),
        ({"events": (900, 40)}, [0, 4]),
        ({"which": "all", "max_spots": 3}, BLANK),
        ({"which": "all", "min_spots": 4}, HITS),
        ({"runs": ("events",)}, HITS),
        ({"step": "hits"}, HITS),
    ],
)
def test_events_are_chosen_by_all_that_is_given(
    stills_store: Store, parameters: dict[str, object], images: list[int]
) -> None:
    [found] = choose(stills_store, given(**parameters))
    assert found.places.tolist() == images
    assert found.event_id.tolist() == EVENT_IDS[images].tolist()
    assert found.image_number.tolist() == [i + 1 for i in images]
    np.testing.assert_allclose(found.wavelengths, WAVELENGTHS[images])


def test_missing_events_are_refused(stills_store: Store, tmp_path: Path) -> None:
    for parameters, words in (
        ({"runs": ("other",)}, "has events"),
        ({"events": (17, 5)}, "events=5: no run"),
        ({"which": "not_indexed"}, "no event"),
    ):
        with pytest.raises(InputError, match=words):
            dumped(stills_store, tmp_path, **parameters)
    with pytest.raises(ParameterError, match="fate='lost'"):
        dumped(stills_store, tmp_path, fate=("lost",))
    with pytest.raises(ParameterError, match="which"):
        given(which="strong")


def test_a_store_without_hits_gives_events_by_number(stills_store: Store, tmp_path: Path) -> None:
    bare = dxdask.import_(stills_store.path.parent / "events.nxs", tmp_path / "bare.zarr")
    with pytest.raises(InputError, match="dxdask stills_process"):
        dumped(bare, tmp_path)
    source = only(dumped(bare, tmp_path / "a", events=(18,)).files)
    assert np.array_equal(source.read(0, 1)[0], photons()[2])


def test_runs_that_the_step_does_not_know_have_no_hits(stills_store: Store, tmp_path: Path) -> None:
    both = shutil.copytree(stills_store.path, tmp_path / "events.zarr")
    events, later = stills_store.path.parent / "events.nxs", tmp_path / "later.nxs"
    shutil.copy(events, later)
    more = dxdask.import_([events, later], both, link=True)
    assert len(more.runs) == 2
    [found] = choose(more, given())
    assert (found.experiment.run, found.places.tolist()) == ("events", HITS)
    assert [c.experiment.run for c in choose(more, given(which="all"))] == list(more.runs)
    with pytest.raises(InputError, match="no event of"):
        choose(more, given(runs=("later",)))


def test_nxmx_has_the_same_pixels_models_and_numbers(stills_store: Store, tmp_path: Path) -> None:
    done = dumped(stills_store, tmp_path, **{"output.prefix": "hits-"})
    assert done == Dumped((str(tmp_path / "hits-events.nxs"),), 3, ())
    assert [p.name for p in tmp_path.iterdir()] == ["hits-events.nxs"]
    source = only(done.files)
    assert np.array_equal(source.read(0, 3), photons()[HITS])
    assert source.columns["event_id"].tolist() == EVENT_IDS[HITS].tolist()
    np.testing.assert_allclose(source.experiment.beam.wavelengths, WAVELENGTHS[HITS])
    assert np.array_equal(source.mask, stills_store.mask("events"))
    for own, read in zip(
        stills_store.experiments("integrate")[0].detector.panels,
        source.experiment.detector.panels,
        strict=True,
    ):
        for name in ("origin", "fast_axis", "slow_axis", "pixel_size", "offset", "trusted_range"):
            np.testing.assert_allclose(getattr(read, name), getattr(own, name), atol=1e-9)
    with pytest.raises(InputError, match=r"hits-events\.nxs exists"):
        dumped(stills_store, tmp_path, overwrite=False, **{"output.prefix": "hits-"})


def test_dumped_events_are_processed_again_alike(stills_store: Store, tmp_path: Path) -> None:
    [file] = dumped(stills_store, tmp_path).files
    again = processed_stills(tmp_path, source=file)
    for name in ("x", "y", "intensity_sum"):
        assert np.array_equal(
            again.columns("find_spots")[name], stills_store.columns("find_spots")[name]
        )
    a, b = again.arrays("index"), stills_store.arrays("index")
    # the sensor's absorption is that at the mean wavelength, now of other events
    np.testing.assert_allclose(a["a_matrix"], b["a_matrix"][HITS], atol=1e-7)


def test_cbf_has_one_event_each(stills_store: Store, tmp_path: Path) -> None:
    done = dumped(stills_store, tmp_path, format="cbf", which="all")
    assert [Path(f).name for f in done.files] == [f"events_{i:05d}.cbf" for i in range(1, 6)]
    for i, path in enumerate(done.files):
        source = only((path,))
        assert np.array_equal(source.read(0, 1)[0], photons()[i])
        assert source.experiment.beam.wavelength == pytest.approx(WAVELENGTHS[i], rel=1e-12)


def test_pictures_circle_spots_and_predictions(stills_store: Store, tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")

    def drawn(name: str, **png: object) -> np.ndarray:
        folder = tmp_path / name
        changes = {f"png.{k}": v for k, v in png.items()}
        [path] = dumped(stills_store, folder, format="png", images=(2,), **changes).files
        return np.rint(image.imread(path)[:, :, :3] * 255)

    plain = drawn("plain", spots=False, predictions=False)
    assert len(np.unique(plain[:, :, 0] - plain[:, :, 2])) <= 3  # grey, gaps, masked
    both, spots = drawn("both"), drawn("spots", predictions=False)
    is_red = (spots == (220, 0, 0)).all(axis=2)
    table = stills_store.columns("find_spots")
    one = np.flatnonzero((np.floor(table["z"]) == 1) & (table["panel"] == 0))
    # the first panel begins at the upper left, a pixel a pixel
    inside = [i for i in one if 8 < table["x"][i] < 290 and 8 < table["y"][i] < 190]
    assert inside
    for i in inside:
        x, y = int(table["x"][i]), int(table["y"][i])
        assert is_red[y, x + 6]
        assert is_red[y - 6, x]
    assert ((both == (0, 70, 220)).all(axis=2)).sum() > 100
    wide = drawn("wide", predictions=False, radius=12)
    assert (wide == (220, 0, 0)).all(axis=2).sum() > 1.5 * is_red.sum()
    dark = drawn("dark", spots=False, predictions=False, brightness=100.0)
    assert dark.mean() < plain.mean() - 20


def test_calibrated_runs_are_dumped_as_photons(tmp_path: Path) -> None:
    store = processed_stills(tmp_path)
    experiment, shape = store.run_experiment("events"), store.mask("events").shape
    parameters = CalibrationParameters.model_validate(
        {"gain": 2.0, "common_mode": {"algorithm": "none"}}
    )
    bad = np.zeros(shape, np.bool_)
    bad[100, 100] = True
    calibration = calibration_of(
        experiment.detector, shape, pedestal=np.full(shape, -4.0, np.float32), gain=2.0, bad=bad
    )
    with store.writing():
        write_calibration(
            store.path,
            "events",
            to_store(calibration),
            parameters=parameters.model_dump(mode="json"),
        )
    source = only(dumped(store, tmp_path / "a").files)
    assert not source.mask[100, 100]
    photon = (photons()[HITS] + 4.0) / 2.0
    off = np.abs(source.read(0, 3) - photon)[:, source.mask]
    assert off.max() <= 0.5
    raw = only(dumped(store, tmp_path / "b", calibrated=False).files)
    assert np.array_equal(raw.read(0, 3), photons()[HITS])
    assert raw.mask[100, 100]


def test_an_unreadable_event_is_reported(
    stills_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = type(stills_store.frame_reader("events"))
    read = reader.read

    def damaged(self: object, first: int, last: int) -> np.ndarray:
        if first <= 2 < last:
            raise OSError("no such chunk")
        return read(self, first, last)  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "read", damaged)
    done = dumped(stills_store, tmp_path, which="hits")
    assert done.n_events == 2
    assert done.problems == (
        {"run": "events", "image": 3, "step": "dump", "reason": "OSError: no such chunk"},
    )
    pictures = dumped(stills_store, tmp_path / "png", which="hits", format="cbf")
    assert [Path(f).name for f in pictures.files] == ["events_00002.cbf", "events_00005.cbf"]
    monkeypatch.undo()
    frames = only(done.files).read(0, 3)
    assert np.array_equal(frames[[0, 2]], photons()[[1, 4]])
    assert (frames[1] == np.iinfo(np.int32).max).all()


def test_from_python(stills_store: Store, tmp_path: Path) -> None:
    done = dxdask.dump(stills_store.path, tmp_path, which="hits", output={"prefix": "a-"})
    assert done.files == (str(tmp_path / "a-events.nxs"),)


def test_the_command(
    stills_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(stills_store.path)
    assert run(["dump", path, "which=hits", "format=png", "-o", str(tmp_path)]) == 0
    assert "3 events in 3 files" in capsys.readouterr().out
    assert len(list(tmp_path.glob("events_*.png"))) == 3
    assert run(["dump", path, "which.x=hits"]) == 2
    assert "which" in capsys.readouterr().err
    assert run(["dump", path, "events=5", "-o", str(tmp_path)]) == 1
    assert run(["dump", path, "-c"]) == 0
    assert "png.brightness" in capsys.readouterr().out


PRINT = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
es = ExperimentListFactory.from_filenames(sys.argv[1:])
print(json.dumps({
    "origins": [p.get_origin() for p in es[0].detector],
    "wavelengths": [e.beam.get_wavelength() for e in es],
    "sums": [sum(int(x.as_numpy_array().astype("int64").sum())
                 for x in e.imageset.get_raw_data(0)) for e in es],
}))
"""


@pytest.mark.dials
def test_dxtbx_reads_dumped_events(stills_store: Store, tmp_path: Path) -> None:
    if subprocess.run([DIALS_PYTHON, "-c", "import dxtbx"], capture_output=True).returncode:
        pytest.skip("no dxtbx for /usr/bin/python3")
    plugins = Path(hdf5plugin.__file__).parent / "plugins"
    for kind in ("nxs", "cbf"):
        files = dumped(stills_store, tmp_path, format=kind).files
        done = subprocess.run(
            [DIALS_PYTHON, "-c", PRINT, *files],
            env={"HDF5_PLUGIN_PATH": str(plugins), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        read = json.loads(done.stdout.splitlines()[-1])
        panels = stills_store.experiments("integrate")[0].detector.panels
        np.testing.assert_allclose(read["origins"], [p.origin for p in panels], atol=1e-9)
        np.testing.assert_allclose(read["wavelengths"], WAVELENGTHS[HITS])
        masked = photons()[HITS].astype(np.int64)
        sums = masked.sum(axis=(1, 2))
        np.testing.assert_allclose(read["sums"], sums, rtol=1e-3)
