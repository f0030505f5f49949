"""Import into a store: whole, damaged frames, a full disk, again, and other runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
from support.ensemble_example import N_IMAGES, QUICK, RUNS, write_frames

import dxdask
from dxdask.errors import StoreExistsError, StoreWriteError
from dxdask.storage.importers import read_runs
from dxdask.storage.store.run_writer import RunWriter
from dxdask.storage.store.store import Store


def damaged(file: Path, copy: Path, image: int) -> Path:
    """Copy an NXmx file with the chunk of one image (from 0) overwritten."""
    shutil.copy(file, copy)
    with h5py.File(copy) as f:
        data = f["/entry/data/data"]
        assert isinstance(data, h5py.Dataset)
        chunk = data.id.get_chunk_info(image)
        assert chunk.chunk_offset[0] == image
    with copy.open("r+b") as f:
        f.seek(chunk.byte_offset)
        f.write(b"\xff" * chunk.size)
    return copy


@pytest.mark.parametrize("images_per_chunk", [1, 7, N_IMAGES, 100])
def test_frames_arrive_as_they_were(raw: list[Path], tmp_path: Path, images_per_chunk: int) -> None:
    store = dxdask.import_(raw, tmp_path / "a.zarr", images_per_chunk=images_per_chunk)
    assert store.runs == RUNS
    for source in read_runs(raw):
        frames = store.frames(source.name)
        assert isinstance(frames, da.Array)
        np.testing.assert_array_equal(frames.compute(), source.read(0, N_IMAGES))
        np.testing.assert_array_equal(store.mask(source.name), source.mask)
        found = store.run_experiment(source.name)
        assert found.beam.transmission == source.experiment.beam.transmission
    assert not store.problems().size


def test_again_is_nothing_to_do_and_other_runs_are_refused(raw: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    store = dxdask.import_(raw[:2], path)
    before = [store.run_attributes(run)["id"] for run in store.runs]
    dxdask.import_(raw[:2], path)
    assert [store.run_attributes(run)["id"] for run in store.runs] == before
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        dxdask.import_(raw[2:], path)
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        dxdask.import_(raw[:2], path, images_per_chunk=2)
    assert store.runs == RUNS[:2]
    assert dxdask.import_(raw, path).runs == RUNS  # more runs join
    assert dxdask.import_(raw[2:], path, overwrite=True).runs == RUNS[2:]


def test_a_changed_file_is_another_run(raw: list[Path], tmp_path: Path) -> None:
    file = Path(shutil.copy(raw[0], tmp_path / "tiny_1.nxs"))
    dxdask.import_(file, tmp_path / "a.zarr")
    os.utime(file, ns=(1, 1))
    with pytest.raises(StoreExistsError, match="other files"):
        dxdask.import_(file, tmp_path / "a.zarr")


def test_an_unreadable_frame_is_a_problem_and_the_rest_is_done(
    raw: list[Path], tmp_path: Path
) -> None:
    bad = damaged(raw[1], tmp_path / "tiny_2.nxs", image=4)
    files = [raw[0], bad, raw[2]]
    store = dxdask.import_(files, tmp_path / "steps.zarr")
    [row] = store.problems().to_dict("records")
    assert (row["run"], row["image"], row["step"]) == ("tiny_2", 5, "import")
    assert "tiny_2.nxs" in row["reason"]
    frames = store.frames("tiny_2")
    assert (frames[4].compute() == np.iinfo(np.uint16).max).all()
    good = read_runs(raw)[1].read(5, N_IMAGES)
    np.testing.assert_array_equal(frames[5:].compute(), good)

    dxdask.find_spots(store, show=dxdask.quiet)
    whole = dxdask.process(files, tmp_path / "whole.zarr", show=dxdask.quiet, **QUICK)
    rows = whole.problems().to_dict("records")
    assert {(r["run"], r["image"]) for r in rows} == {("tiny_2", 5)}
    assert "tiny_2.nxs" in rows[0]["reason"]
    for name, values in store.columns("find_spots").items():
        np.testing.assert_array_equal(whole.columns("find_spots")[name], values, err_msg=name)
    images = whole.table("find_spots", "images")
    assert images.query("run == 'tiny_2' and image == 5")["n_spots"].item() == 0
    z = whole.columns("integrate")["bbox"][:, 4:]
    experiment = whole.columns("integrate")["experiment"]
    summed = (whole.columns("integrate")["flags"] & 256) != 0
    across = (experiment == 1) & (z[:, 0] <= 4) & (z[:, 1] > 4)
    assert across.any()
    assert not (summed & across).any()
    assert (whole.table("index", "imagesets")["percent"] > 90).all()


def test_an_unreadable_frame_of_real_numbers_is_a_problem_too(
    raw: list[Path], tmp_path: Path
) -> None:
    file = Path(shutil.copy(raw[0], tmp_path / "real.nxs"))
    with h5py.File(file, "r+") as f:
        frames = f["/entry/data/data"][()]
        del f["/entry/data/data"]
        f["/entry/data"].create_dataset(
            "data", data=frames.astype(np.float32), chunks=(1, *frames.shape[1:]), compression=1
        )
    store = dxdask.import_(damaged(file, tmp_path / "bad.nxs", image=4), tmp_path / "a.zarr")
    [row] = store.problems().to_dict("records")
    assert (row["image"], row["step"]) == (5, "import")
    imported = store.frames("bad").compute()
    assert np.isnan(imported[4]).all()
    np.testing.assert_array_equal(imported[5:], frames[5:].astype(np.float32))


def test_a_full_disk_stops_and_going_on_gives_the_same(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = RunWriter.write

    def fill(self: RunWriter, first_image: int, block: np.ndarray) -> None:
        if len(written) == 20:
            raise StoreWriteError("cannot write images: No space left on device")
        written.append((self.path, first_image))
        write(self, first_image, block)

    path = tmp_path / "a.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "write", fill)
        with pytest.raises(StoreWriteError, match="No space"):
            dxdask.process(raw, path, show=dxdask.quiet, cluster="synchronous", **QUICK)
    assert not Store.open(path).has_step("find_spots")
    again = []

    def count(self: RunWriter, first_image: int, block: np.ndarray) -> None:
        again.append((self.path, first_image))
        write(self, first_image, block)

    monkeypatch.setattr(RunWriter, "write", count)
    store = dxdask.import_(raw, path)
    assert not set(again) & set(written)
    assert len(again) + len(written) == len(raw) * N_IMAGES
    for source in read_runs(raw):
        np.testing.assert_array_equal(store.frames(source.name).compute(), source.read(0, N_IMAGES))


def test_relative_paths_and_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(tmp_path / "raw", transmissions=(1.0,), scan={"n_images": 2, "oscillation": 0.8})
    monkeypatch.chdir(tmp_path)
    store = dxdask.import_("raw/*/*.nxs", "a.zarr")
    monkeypatch.chdir("/")
    files = store.run_attributes("tiny_1")["source"]["files"]
    assert files == [str(tmp_path / "raw" / "run1_1.000" / "tiny_1.nxs")]
    assert store.frames("tiny_1").compute().shape[0] == 2
