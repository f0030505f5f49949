"""Events among others that cannot be used, or not all of them: rows, not the end of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.made_up_stills import SIZE
from support.painted_stills import WAVELENGTH
from support.still_runs import KNOWN, SHAPE, events, stills, write_run

from dxdask.fate import Fate
from dxdask.storage.store.store import Store

EVENTS = events("x.xx", seed=3)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("events")
    return stills(write_run(folder / "run_a.h5", EVENTS.photons), folder / "a.zarr")


def same_but(store: Store, expected: Store, event: int) -> None:
    """Check that all events but one are indexed the same."""
    others = np.arange(len(EVENTS.photons)) != event
    for name in ("hit", "indexed", "a_matrix", "n_indexed", "reason", "event_id"):
        ours, theirs = store.arrays("index")[name], expected.arrays("index")[name]
        np.testing.assert_array_equal(ours[others], theirs[others], err_msg=name)


@pytest.mark.parametrize(
    ("value", "method"), [(np.nan, "spots"), (0.0, "spots"), (-1.0, "peakfinder8")]
)
def test_one_wavelength_is_missing(done: Store, tmp_path: Path, value: float, method: str) -> None:
    given = np.where(np.arange(4) == 2, value, WAVELENGTH)
    file = write_run(tmp_path / "run_a.h5", EVENTS.photons, incident_wavelength=given)
    store = stills(file, tmp_path / "a.zarr", **{"hits.method": method})
    if method == "spots":
        same_but(store, done, 2)
    table = store.arrays("index")
    assert table["indexed"].tolist() == [True, False, False, True]
    assert table["reason"][2] == Fate.NO_WAVELENGTH
    (problem,) = store.show()["problems"]
    assert (problem["run"], problem["image"], problem["step"]) == ("run_a", 3, "hits")
    assert "geometry.beam.wavelength" in problem["reason"]
    fates = store.table("index", "fates")
    assert "the wavelength is not known" in fates["fate"].tolist()


def test_one_wavelength_for_all_is_the_remedy(tmp_path: Path) -> None:
    given = np.where(np.arange(4) == 2, np.nan, WAVELENGTH)
    file = write_run(tmp_path / "a.h5", EVENTS.photons, incident_wavelength=given)
    store = stills(file, tmp_path / "b.zarr", **{"geometry.beam.wavelength": WAVELENGTH})
    assert store.arrays("index")["indexed"].sum() == 3


def test_one_wavelength_is_missing_and_no_cell_known(tmp_path: Path) -> None:
    given = np.where(np.arange(4) == 2, np.nan, WAVELENGTH)
    file = write_run(tmp_path / "a.h5", EVENTS.photons, incident_wavelength=given)
    store = stills(file, tmp_path / "a.zarr", **dict.fromkeys(KNOWN))
    assert store.arrays("index")["indexed"].tolist() == [True, False, False, True]


def test_frames_that_are_no_numbers(done: Store, tmp_path: Path) -> None:
    frames = EVENTS.photons.astype(np.float32)
    frames[2] = np.nan
    frames[3, :50] = np.nan
    store = stills(write_run(tmp_path / "a.h5", frames), tmp_path / "a.zarr")
    table = store.arrays("index")
    assert table["indexed"].tolist() == [True, False, False, True]
    assert table["reason"][2] in (Fate.UNREADABLE, Fate.NO_HIT)
    np.testing.assert_array_equal(table["a_matrix"][0], done.arrays("index")["a_matrix"][0])


def test_a_panel_that_is_masked(done: Store, tmp_path: Path) -> None:
    mask = np.ones(SHAPE, np.bool_)
    mask[SIZE[1] : 2 * SIZE[1]] = False
    np.save(tmp_path / "mask.npy", mask)
    file = write_run(tmp_path / "a.h5", EVENTS.photons)
    given: dict[str, Any] = {"lookup.mask": str(tmp_path / "mask.npy")}
    store = stills(file, tmp_path / "a.zarr", **given)
    assert store.arrays("index")["indexed"].tolist() == [True, False, True, True]
    assert (done.columns("find_spots")["panel"] == 1).any()
    assert not (store.columns("find_spots")["panel"] == 1).any()
    observed = store.columns("integrate")
    assert (observed["n_foreground"][observed["panel"] == 1] == 0).all()
    peaks = stills(file, tmp_path / "b.zarr", **given, **{"hits.method": "peakfinder8"})
    assert not (peaks.columns("find_spots")["panel"] == 1).any()
    assert peaks.arrays("index")["indexed"].sum() == 3
