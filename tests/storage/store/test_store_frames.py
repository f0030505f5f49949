from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import dask
import h5py
import hdf5plugin  # noqa: F401  (teaches HDF5 to decompress)
import numpy as np
import pytest
import xarray as xr
import zarr
from support.store_examples import begin_run, frames, write_run

from dxdask.errors import ChunkError, SchemaError, StoreExistsError, StoreWriteError
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.frames.lazy import lazy_frames
from dxdask.storage.frames.stored import StoredReader
from dxdask.storage.store import run_writer
from dxdask.storage.store.store import Store

PACKINGS = [(1, None), (1, 4), (2, 4), (3, None), (6, None), (10, None), (2, 20)]


@pytest.mark.parametrize(("chunk", "shard"), PACKINGS)
def test_frames_come_back_also_by_plain_zarr_and_xarray(
    store: Store, chunk: int, shard: int | None
) -> None:
    images = frames(7)
    angle = np.arange(7) * 0.1
    mask = images[0] < 5
    write_run(store, "run1", images, mask=mask, columns={"angle": angle}, chunk=chunk, shard=shard)
    np.testing.assert_array_equal(store.frames("run1").compute(), images)
    np.testing.assert_array_equal(store.mask("run1"), mask)
    np.testing.assert_array_equal(store.image_columns("run1")["angle"], angle)
    array = zarr.open_array(store.path / "runs" / "run1" / "frames", mode="r")
    np.testing.assert_array_equal(array[:], images)
    data = xr.open_zarr(store.path, group="runs/run1", consolidated=False)
    assert data["frames"].dims == ("image", "slow", "fast")
    assert data["frames"].dtype == images.dtype
    np.testing.assert_array_equal(data["frames"].values, images)
    np.testing.assert_array_equal(data["mask"].values, mask)
    assert data["angle"].attrs["units"] == "deg"


@pytest.mark.parametrize(("chunk", "shard"), PACKINGS)
def test_frames_that_zarr_wrote_are_read(store: Store, chunk: int, shard: int | None) -> None:
    write_run(store, "run1", frames(7, seed=1), chunk=chunk, shard=shard)
    array = zarr.open_array(
        store.path / "runs" / "run1" / "frames", mode="r+", config={"write_empty_chunks": True}
    )
    array[:] = frames(7, seed=2)
    np.testing.assert_array_equal(store.frames("run1").compute(), frames(7, seed=2))


@pytest.mark.parametrize(("chunk", "shard"), [(1, None), (2, 4), (3, None)])
def test_any_slice(store: Store, chunk: int, shard: int | None) -> None:
    images = frames(7)
    write_run(store, "run1", images, chunk=chunk, shard=shard)
    reader = store.frame_reader("run1")
    keys: list[Any] = [
        np.s_[2:5], np.s_[3], np.s_[-1], np.s_[::3], np.s_[::-1], np.s_[4:4], np.s_[...],
        np.s_[..., 2:4], np.s_[1:6, 1:3, ::2], np.s_[5, :, 3], np.s_[6:100, 2],
    ]  # fmt: skip
    for key in keys:
        np.testing.assert_array_equal(reader[key], images[key], err_msg=str(key))
        if key != np.s_[...]:
            np.testing.assert_array_equal(store.frames("run1")[key].compute(), images[key])
    with pytest.raises(IndexError):
        reader[7]


def test_blank_frames_are_written_too(store: Store) -> None:
    images = np.zeros((3, 5, 7), np.uint16)
    write_run(store, "run1", images)
    assert store.frames("run1").compute().sum() == 0
    assert (store.path / "runs" / "run1" / "frames" / "c" / "2" / "0" / "0").is_file()


def test_blocks_are_whole_files(store: Store) -> None:
    write_run(store, "run1", frames(7), chunk=1, shard=2)
    lazy = store.frames("run1", block=4)
    assert lazy.chunks == ((4, 3), (5,), (7,))
    assert len(lazy.__dask_graph__()) == 2
    assert store.frames("run1").numblocks == (1, 1, 1)
    for block in (3, 0, -2):
        with pytest.raises(ChunkError, match="multiple of 2"):
            store.frames("run1", block=block)


@pytest.mark.parametrize(
    ("codec", "n_images"),
    [
        (ChunkCodec((100, 1060, 1024), "uint16", 1, 1), 15),
        (ChunkCodec((100, 1060, 1024), "uint16", 1, 4), 12),
        (ChunkCodec((100, 1060, 1024), "uint16", 5, 20), 20),
        (ChunkCodec((100, 4362, 4148), "uint32", 1, 1), 1),
        (ChunkCodec((3, 1060, 1024), "uint16", 1, 1), 3),
    ],
)
def test_blocks_hold_some_tens_of_megabytes(codec: ChunkCodec, n_images: int) -> None:
    assert lazy_frames(StoredReader("", "x", codec)).chunksize[0] == n_images


def test_names_of_lazy_frames_follow_the_import(store: Store) -> None:
    write_run(store, "run1", frames(seed=1))
    old = store.frames("run1")
    assert old.name == store.frames("run1").name
    assert old.name != store.frames("run1", block=2).name
    write_run(store, "run1", frames(seed=2), overwrite=True)
    assert old.name != store.frames("run1").name
    assert dask.base.tokenize(store.frame_reader("run1")) == dask.base.tokenize(
        store.frame_reader("run1")
    )


def test_reader_and_writer_travel(store: Store) -> None:
    images = frames()
    with store.writing():
        writer = pickle.loads(pickle.dumps(begin_run(store, "run1", images)))
        for first, last in reversed(writer.pending):
            writer.write(first, images[first:last])
        writer.finish()
    reader = pickle.dumps(store.frame_reader("run1"))
    assert len(reader) < 1000
    np.testing.assert_array_equal(pickle.loads(reader).read(1, 3), images[1:3])


def test_interrupted_import_goes_on(store: Store) -> None:
    images = frames(7)
    with store.writing():
        writer = begin_run(store, "run1", images, chunk=2, fingerprint="f")
        writer.write(2, images[2:6])
        with pytest.raises(ChunkError, match="lacks 2 of 4 files, the first with images 1 to 2"):
            writer.finish()
    assert store.runs == ()
    assert not store.has_run("run1")
    store = Store.open(store.path)
    with store.writing():
        writer = begin_run(store, "run1", images, chunk=2, fingerprint="f")
        assert writer.pending == ((0, 2), (6, 7))
        for first, last in writer.pending:
            writer.write(first, images[first:last])
        writer.finish()
    np.testing.assert_array_equal(store.frames("run1").compute(), images)
    assert store.has_run("run1", "f")
    assert not store.has_run("run1", "g")


@pytest.mark.parametrize("others", [{"fingerprint": "g", "chunk": 2}, {"fingerprint": "f"}])
def test_other_import_starts_again(store: Store, others: dict[str, Any]) -> None:
    images = frames()
    with store.writing():
        begin_run(store, "run1", images, chunk=2, fingerprint="f").write(0, images[:2])
        assert begin_run(store, "run1", images, **others).pending[0][0] == 0


def test_existing_run_needs_overwrite(store: Store) -> None:
    write_run(store, "run1", frames(seed=1))
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        write_run(store, "run1", frames(seed=2))
    write_run(store, "run1", frames(seed=2), overwrite=True)
    np.testing.assert_array_equal(store.frames("run1").compute(), frames(seed=2))


def test_whole_files_only(store: Store) -> None:
    images = frames(7)
    with store.writing():
        writer = begin_run(store, "run1", images, chunk=2)
        assert writer.step == 2
        for first, last in ((1, 3), (0, 3), (6, 8), (4, 4), (-2, 0)):
            with pytest.raises(ChunkError, match="write multiples of 2"):
                writer.write(first, np.zeros((last - first, 5, 7), np.uint16))
        with pytest.raises(SchemaError, match=r"int64 \(5, 7\), the run run1 holds uint16"):
            writer.write(0, images[:2].astype(np.int64))
        with pytest.raises(SchemaError, match=r"\(7, 5\)"):
            writer.write(0, images[:2].transpose(0, 2, 1))


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"mask": np.ones((5, 7), np.uint8)}, "mask of run 'run1' is uint8"),
        ({"mask": np.ones((7, 5), np.bool_)}, "mask of run 'run1' is bool"),
        ({"columns": {"angle": np.zeros(3)}}, "column 'angle' of run 'run1' is \\(3,\\)"),
        ({"columns": {"weather": np.zeros(6)}}, "column 'weather' that a store does not know"),
        ({"columns": {"angle": np.array([None] * 6)}}, "numbers and truth values only"),
        ({"chunk": 0}, "whole chunks to a shard"),
        ({"chunk": 2, "shard": 3}, "not a multiple of 2"),
    ],
)
def test_runs_that_do_not_fit_are_refused(store: Store, others: dict[str, Any], words: str) -> None:
    with store.writing(), pytest.raises((SchemaError, ChunkError), match=words):
        begin_run(store, "run1", frames(), **others)
    assert store.runs == ()


def test_sizes_no_chunk_can_have() -> None:
    with pytest.raises(ChunkError, match="hold nothing"):
        ChunkCodec((0, 5, 7), "uint16", 1, 1)
    with pytest.raises(ChunkError, match="fewer images to a chunk"):
        ChunkCodec((1000, 4362, 4148), "uint32", 100, 100)


@pytest.mark.parametrize(
    ("chunk", "shard", "images"), [(1, None, "image 3"), (2, 4, "images 1 to 4")]
)
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "lost"])
def test_damaged_frames_name_their_images(
    store: Store, chunk: int, shard: int | None, images: str, harm: str
) -> None:
    write_run(store, "run1", frames(7), chunk=chunk, shard=shard)
    file = store.path / "runs" / "run1" / "frames" / "c" / ("0" if shard else "2") / "0" / "0"
    content = file.read_bytes()
    if harm == "lost":
        file.unlink()
    else:
        changed = {"cut": content[:-3], "empty": b"", "flip": content[:-1] + b"\x55"}
        file.write_bytes(changed[harm])
    with pytest.raises(SchemaError, match=f"{images} cannot be read: .*import its files again"):
        store.frames("run1").compute()
    np.testing.assert_array_equal(store.frames("run1", block=4)[4:].compute(), frames(7)[4:])


def test_claimed_sizes_are_checked() -> None:
    small, large = ChunkCodec((1, 2, 2), "uint16", 1, 1), ChunkCodec((1, 4, 4), "uint16", 1, 1)
    data = small.encode(np.zeros((1, 2, 2), np.uint16))
    with pytest.raises(SchemaError, match="holds 8 bytes instead of 32"):
        large.decode(data, np.empty((1, 4, 4), np.uint16))


def test_frames_of_other_codecs_are_refused(store: Store) -> None:
    write_run(store, "run1", frames())
    zarr.create_array(
        store.path / "runs" / "run1" / "frames", data=frames(), chunks=(1, 5, 7), overwrite=True
    )
    with pytest.raises(SchemaError, match="other chunks or codecs than dxdask writes"):
        store.frames("run1")


def test_full_disk_keeps_written_frames(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    images, real, written = frames(), run_writer._write_file, []

    def full(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    with store.writing():
        writer = begin_run(store, "run1", images)
        monkeypatch.setattr(run_writer, "_write_file", full)
        with pytest.raises(StoreWriteError, match=r"No space left on device.*resumes there"):
            writer.write(0, images)
        assert len(writer.pending) == 4


@pytest.mark.shared
def test_real_frames(store: Store, shared: Path) -> None:
    with h5py.File(shared / "data" / "insulin" / "run1_0.064" / "insulin_1.nxs") as file:
        images = file["entry/data/data"][:6]
    write_run(store, "run1", images)
    np.testing.assert_array_equal(store.frames("run1").compute(), images)
    array = zarr.open_array(store.path / "runs" / "run1" / "frames", mode="r")
    np.testing.assert_array_equal(array[3], images[3])
    folder = store.path / "runs" / "run1" / "frames" / "c"
    stored = sum(f.stat().st_size for f in folder.rglob("0") if f.is_file())
    assert stored < images.nbytes / 5
