"""Stills that cannot be processed: what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.still_runs import SHAPE, events, geometry, stills, write_raw, write_run

from dxdask.errors import DxdaskError, FormatError, InputError, ParameterError

EVENTS = events("x.xx", seed=3)


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("events") / "run_a.h5", EVENTS.photons)


def assert_refused(
    error: type[DxdaskError], words: str, file: Path, tmp_path: Path, **given: Any
) -> None:
    with pytest.raises(error, match=words):
        stills(file, tmp_path / "a.zarr", **given)


def test_a_dark_run_of_another_shape(tmp_path: Path) -> None:
    raw, dark = write_raw(tmp_path, EVENTS.photons)
    with h5py.File(tmp_path / "small.h5", "w") as file, h5py.File(dark) as whole:
        file["entry/data/data"] = whole["entry/data/data"][:, :400]
    words = r"small.h5 has frames of \(400, 300\).*\(800, 300\).*give a dark run of the same"
    given = {"calibration.dark_path": str(tmp_path / "small.h5")}
    assert_refused(InputError, words, raw, tmp_path, **given)
    given = {"calibration.dark_path": str(tmp_path / "none.h5")}
    assert_refused(InputError, "there is no file .*none.h5", raw, tmp_path, **given)


def test_all_events_are_blank(tmp_path: Path) -> None:
    file = write_run(tmp_path / "blank.h5", events("....").photons)
    words = r"none of 4 events is a hit \(4: too few spots for a hit\); change the limits of hit f"
    assert_refused(InputError, words, file, tmp_path)


def test_blank_events_without_a_cell(tmp_path: Path) -> None:
    file = write_run(tmp_path / "blank.h5", events("....").photons)
    unknown = {
        "indexing.known_symmetry.unit_cell": None,
        "indexing.known_symmetry.space_group": None,
    }
    assert_refused(InputError, "none of 4 events is a hit", file, tmp_path, **unknown)


def test_a_cell_that_is_none_of_theirs(run_file: Path, tmp_path: Path) -> None:
    given = {"indexing.known_symmetry.unit_cell": (50, 61, 73, 90, 90, 90)}
    given |= {"indexing.known_symmetry.space_group": "P212121"}
    words = r"none of 3 hits can be indexed by the cell 50.00, 61.00, 73.00, 90.00, 90.00, 90.00"
    assert_refused(InputError, words, run_file, tmp_path, **given)


def test_two_hits_only(tmp_path: Path) -> None:
    two = write_run(tmp_path / "two.h5", EVENTS.photons[:3])
    store = stills(two, tmp_path / "a.zarr")
    assert int(store.arrays("merge")["indexed"].sum()) == 2


def test_two_hits_only_without_a_cell(tmp_path: Path) -> None:
    two = write_run(tmp_path / "two.h5", EVENTS.photons[:3])
    unknown = {
        "indexing.known_symmetry.unit_cell": None,
        "indexing.known_symmetry.space_group": None,
    }
    store = stills(two, tmp_path / "a.zarr", **unknown)
    row = store.table("index", "consensus").iloc[0]
    assert (row["lattice"], row["n_crystals"]) == ("tP", 2)
    one = write_run(tmp_path / "one.h5", np.delete(EVENTS.photons, [0, 1, 2], axis=0))
    assert stills(one, tmp_path / "b.zarr").arrays("index")["indexed"].sum() == 1


def test_wavelengths_are_missing(tmp_path: Path) -> None:
    file = write_run(tmp_path / "a.h5", EVENTS.photons, incident_wavelength=None)
    words = "has no wavelength or photon energy.*give geometry.beam.wavelength"
    assert_refused(FormatError, words, file, tmp_path)
    store = stills(file, tmp_path / "b.zarr", **{"geometry.beam.wavelength": 1.31})
    assert store.arrays("index")["indexed"].sum() == 3


def test_wavelengths_of_other_events(tmp_path: Path) -> None:
    file = write_run(tmp_path / "a.h5", EVENTS.photons, incident_wavelength=np.full(3, 1.31))
    assert_refused(FormatError, "give geometry.beam.wavelength", file, tmp_path)


def test_a_geometry_of_other_frames(run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text(geometry(image_size_fast_slow=[300, 300]))
    given = {"input.reference_geometry": str(tmp_path / "g.json")}
    assert_refused(InputError, "g.json", run_file, tmp_path, **given)


def test_no_geometry_at_all(tmp_path: Path) -> None:
    file = write_run(tmp_path / "a.h5", EVENTS.photons, geometry_json=None)
    assert_refused(
        FormatError, "no geometry of its panels; give input.reference_geometry", file, tmp_path
    )


def test_a_mask_of_another_size(run_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.ones((10, 10), np.bool_))
    given = {"spotfinder.lookup.mask": str(tmp_path / "mask.npy")}
    assert_refused(InputError, r"mask.npy.*\(10, 10\)", run_file, tmp_path, **given)
    np.save(tmp_path / "gain.npy", np.ones(SHAPE))
    given = {"spotfinder.lookup.gain_map": str(tmp_path / "gain.npy")}
    assert stills(run_file, tmp_path / "b.zarr", **given).has_step("merge")


def test_parameters_that_need_other_events_are_refused(run_file: Path, tmp_path: Path) -> None:
    given = {"spotfinder.output.shoeboxes": True}
    assert_refused(ParameterError, "use dxdask find_spots", run_file, tmp_path, **given)


def test_no_store_or_another_one(run_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"give the store to make: -o NAME\.zarr"):
        stills(run_file, None)
    store = stills(run_file, tmp_path / "a.zarr", **{"dispatch.index": False})
    with pytest.raises(ParameterError, match="is a store, which is processed where it is"):
        stills(store.path, tmp_path / "b.zarr")
    with pytest.raises(InputError, match="there is no file"):
        stills(tmp_path / "none.h5", tmp_path / "c.zarr")
