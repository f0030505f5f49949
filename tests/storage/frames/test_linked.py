"""Linked and copied frames have the same counts, masks, models and spots, by each reader."""

from __future__ import annotations

import bz2
import pickle
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from support.ensemble_example import QUICK, assert_same
from support.linked_examples import LAYOUTS, counts, write_hdf5, write_images, write_virtual
from support.paths import ROOT
from support.raw_examples import write_nxmx

import dxdask
from dxdask.errors import FormatError, ParameterError, StoreExistsError
from dxdask.storage.frames.linked_reader import LinkedReader
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store


def both(paths: Any, folder: Path, **parameters: Any) -> tuple[Store, Store]:
    """Import linked and copied; check all but the processing steps."""
    linked = dxdask.import_(paths, folder / "linked.zarr", link=True, **parameters)
    copied = dxdask.import_(paths, folder / "copied.zarr", **parameters)
    assert linked.runs == copied.runs
    for run in copied.runs:
        a, b = linked.frame_reader(run), copied.frame_reader(run)
        assert isinstance(a, LinkedReader)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a[:], b[:])
        np.testing.assert_array_equal(a.read(1, a.shape[0]), b.read(1, a.shape[0]))
        np.testing.assert_array_equal(linked.mask(run), copied.mask(run))
        assert linked.run_experiment(run) == copied.run_experiment(run)
        columns = linked.image_columns(run)
        assert columns.keys() == copied.image_columns(run).keys()
        for name, values in columns.items():
            np.testing.assert_array_equal(values, copied.image_columns(run)[name])
        through_zarr = zarr.open_array(linked.path / "runs" / run / "frames", mode="r")
        np.testing.assert_array_equal(through_zarr[1:3], b[1:3])
    return linked, copied


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hdf5(layout: str, tmp_path: Path) -> None:
    frames = counts()
    file = write_hdf5(tmp_path / "a.nxs", layout, frames)
    linked, _ = both(file, tmp_path)
    np.testing.assert_array_equal(linked.frames("a").compute(), frames)
    assert not list((linked.path / "runs" / "a" / "frames" / "c").glob("[1-9]*"))


def test_chunks_that_were_never_written_have_the_fill_value(tmp_path: Path) -> None:
    file = write_nxmx(tmp_path / "a.nxs", counts())
    with h5py.File(file, "r+") as f:
        del f["entry/data/data"]
        made = f["entry/data"].create_dataset(
            "data", (5, 12, 16), "u2", chunks=(1, 12, 16), fillvalue=7
        )
        made[2] = 1
    linked, _ = both(file, tmp_path)
    assert (linked.frames("a")[[0, 2]].compute()[:, 3, 3] == [7, 1]).all()


def test_virtual_and_external_datasets_are_followed_to_their_files(tmp_path: Path) -> None:
    frames = counts()
    linked, _ = both(write_virtual(tmp_path, frames), tmp_path)
    np.testing.assert_array_equal(linked.frames("run").compute(), frames)
    assert "2 files in" in repr(linked)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["frames"] = frames
    file = write_nxmx(tmp_path / "b.nxs", frames, entry__data__data=None)
    with h5py.File(file, "r+") as f:
        f["entry/data/data"] = h5py.ExternalLink("data.h5", "frames")
    other = tmp_path / "other"
    other.mkdir()
    both(file, other)


@pytest.mark.parametrize("kind", ["cbf", "smv", "big", "cbf.gz", "smv.bz2", "mixed"])
def test_image_files(kind: str, tmp_path: Path) -> None:
    frames = counts()
    linked, _ = both(write_images(tmp_path, kind, frames), tmp_path)
    np.testing.assert_array_equal(linked.frames("image").compute(), frames)


def test_a_part_of_the_images(tmp_path: Path) -> None:
    frames = counts()
    file = write_hdf5(tmp_path / "a.nxs", "several frames a chunk", frames)
    linked, _ = both(file, tmp_path, image_range=(3, 5))
    np.testing.assert_array_equal(linked.frames("a").compute(), frames[2:])
    with pytest.raises(FormatError, match=r"image 2 is not the first of a chunk.*link=false"):
        dxdask.import_(file, tmp_path / "b.zarr", link=True, image_range=(2, 5))


@pytest.mark.parametrize("layout", ["szip", "interleaved"])
def test_what_cannot_be_linked_is_refused_before_anything_is_replaced(
    layout: str, tmp_path: Path
) -> None:
    frames = counts()
    store = dxdask.import_(write_nxmx(tmp_path / "b.nxs", frames), tmp_path / "s.zarr")
    file = write_nxmx(tmp_path / "a.nxs", frames)
    with h5py.File(file, "r+") as f:
        del f["entry/data/data"]
        if layout == "szip":
            f["entry/data"].create_dataset("data", data=frames, compression="lzf")
        else:
            f["source"] = frames[::-1]
            virtual = h5py.VirtualLayout(frames.shape, frames.dtype)
            for i in range(len(frames)):
                virtual[i, :, :8] = h5py.VirtualSource(f["source"])[i, :, :8]
            f["entry/data"].create_virtual_dataset("data", virtual)
    with pytest.raises(FormatError, match=r"run a cannot be linked.*link=false"):
        dxdask.import_(file, store.path, link=True, overwrite=True)
    assert store.runs == ("b",)
    copied = dxdask.import_(file, tmp_path / "c.zarr")
    with h5py.File(file) as f:
        np.testing.assert_array_equal(copied.frames("a").compute(), f["entry/data/data"][:])


def test_chunks_cannot_be_asked_for_as_well(tmp_path: Path) -> None:
    file = write_nxmx(tmp_path / "a.nxs", counts())
    with pytest.raises(ParameterError, match="images_per_chunk=2 contradicts link=true"):
        dxdask.import_(file, tmp_path / "a.zarr", link=True, images_per_chunk=2)


def test_again_is_nothing_to_do_and_the_other_way_is_another_import(tmp_path: Path) -> None:
    file = write_nxmx(tmp_path / "a.nxs", counts())
    store = dxdask.import_(file, tmp_path / "a.zarr", link=True)
    before = store.run_attributes("a")["id"]
    assert dxdask.import_(file, store.path, link=True).run_attributes("a")["id"] == before
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        dxdask.import_(file, store.path)
    copied = dxdask.import_(file, store.path, overwrite=True)
    assert "frames copied" in repr(copied)


def test_a_store_says_where_its_frames_are(tmp_path: Path) -> None:
    file = write_nxmx(tmp_path / "a.nxs", counts())
    store = dxdask.import_(file, tmp_path / "a.zarr", link=True)
    file.unlink()
    assert f"frames linked to {file}" in repr(store)
    assert "linked to" in store._repr_html_()


def test_xarray_opens_it(tmp_path: Path) -> None:
    frames = counts()
    store = dxdask.import_(write_nxmx(tmp_path / "a.nxs", frames), tmp_path / "a.zarr", link=True)
    with xr.open_zarr(store.path, group="runs/a", consolidated=False) as dataset:
        assert dataset.frames.dims == ("image", "slow", "fast")
        np.testing.assert_array_equal(dataset.frames[1:4].values, frames[1:4])


def test_zarr_is_told_of_the_codec() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = project["entry-points"]["zarr.codecs"]
    assert found == {"dxdask_link": "dxdask.storage.frames.linked_codec:LinkCodec"}


def test_linked_frames_are_not_written_to(tmp_path: Path) -> None:
    store = dxdask.import_(write_nxmx(tmp_path / "a.nxs", counts()), tmp_path / "a.zarr", link=True)
    array = zarr.open_array(store.path / "runs" / "a" / "frames", mode="r+")
    with pytest.raises(OSError, match="link=false"):
        array[0] = 1


def test_readers_are_small(tmp_path: Path) -> None:
    files = write_images(tmp_path, "smv", counts((300, 4, 4)))
    store = dxdask.import_(files, tmp_path / "a.zarr", link=True)
    assert len(pickle.dumps(store.frame_reader("image"))) < 500


@pytest.mark.parametrize(
    "cluster",
    [
        "threads",
        pytest.param(
            {"kind": "local", "processes": 2, "cores": 2, "memory": "3GB", "dashboard": None},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_processing_gives_the_same(
    raw: list[Path], processed: Store, tmp_path: Path, cluster: Any
) -> None:
    path = tmp_path / "a.zarr"
    given = {**QUICK, "link": True, "cluster": cluster}
    assert_same(processed, dxdask.process(raw, path, show=dxdask.quiet, **given))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("files", "parameters"),
    [
        ("insulin/run1_*/insulin_1.nxs", {"image_range": (1, 4)}),
        ("real/thaumatin_grid/thau_3_2_0005.cbf.bz2", {}),
        ("real/lysozyme_ed/0000[1-4].img*", {}),
    ],
)
def test_real_frames_give_the_same_spots(
    shared: Path, tmp_path: Path, files: str, parameters: dict[str, Any]
) -> None:
    paths = sorted((shared / "data").glob(files))
    if "thaumatin" in files:  # decompressed, so that its pixels are read by their offset
        [packed] = paths
        paths = [tmp_path / "thau_0005.cbf"]
        paths[0].write_bytes(bz2.decompress(packed.read_bytes()))
    linked, copied = both(paths, tmp_path, **parameters)
    for store in (linked, copied):
        dxdask.find_spots(store, show=dxdask.quiet)
    found = linked.columns("find_spots")
    assert len(found["x"]) > 10
    for name, values in copied.columns("find_spots").items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.shared
def test_hdf5_frames_are_those_of_the_library(shared: Path) -> None:
    for name in ("insulin/run5_1.000/insulin_5.nxs", "stills/corrected.h5"):
        file = shared / "data" / name
        with h5py.File(file) as f:
            frames = f["entry/data/data"][3:9]
        [run] = read_runs([file])
        np.testing.assert_array_equal(run.read(3, 9), frames)
