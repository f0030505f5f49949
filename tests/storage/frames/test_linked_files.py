"""Linked files that moved, shrank or changed, and malicious references in stores."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from support.linked_examples import counts, write_hdf5, write_images

import dxdask
from dxdask.errors import DxdaskError, FormatError, LinkedFileError, SchemaError
from dxdask.storage.formats import REFERENCE
from dxdask.storage.frames.checksum import with_checksum
from dxdask.storage.store.store import Store


def damaged(file: Path, copy: Path, image: int) -> Path:
    """Copy an NXmx file with the chunk of one image (from 0) overwritten."""
    shutil.copy(file, copy)
    with h5py.File(copy) as opened:
        chunk = opened["/entry/data/data"].id.get_chunk_info(image)
    with copy.open("r+b") as opened:
        opened.seek(chunk.byte_offset)
        opened.write(b"\xff" * chunk.size)
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with raw/a.nxs and a store linked to it."""
    home = tmp_path / "home"
    (home / "raw").mkdir(parents=True)
    file = write_hdf5(home / "raw" / "a.nxs", "bitshuffle", counts())
    dxdask.import_(file, home / "a.zarr", link=True)
    return home


def refuse(store: Path, message: str, error: type[DxdaskError] = LinkedFileError) -> str:
    """Check that neither frames nor a step are available; return the message."""
    with pytest.raises(error, match=message):
        Store.open(store).frames("a")
    with pytest.raises(error, match=message) as found:
        dxdask.find_spots(Store.open(store), show=dxdask.quiet)
    assert not Store.open(store).has_step("find_spots")
    return str(found.value)


def test_a_file_that_is_gone(folder: Path) -> None:
    (folder / "raw" / "a.nxs").rename(folder / "b.nxs")
    text = refuse(folder / "a.zarr", r"raw/a\.nxs is not there.*overwrite=true")
    assert text.count("a.nxs") == 1


def test_a_file_that_shrank(folder: Path) -> None:
    file = folder / "raw" / "a.nxs"
    size = file.stat().st_size
    os.truncate(file, size - 1)
    refuse(folder / "a.zarr", rf"a\.nxs has {size - 1} bytes, and had {size} at the import")


def test_a_file_that_changed(folder: Path) -> None:
    file = folder / "raw" / "a.nxs"
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    refuse(folder / "a.zarr", r"a\.nxs has changed since the import")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    refuse(folder / "a.zarr", r"a\.nxs has changed since the import")


def test_a_file_that_changes_while_it_is_read(folder: Path) -> None:
    frames = Store.open(folder / "a.zarr").frames("a")
    os.utime(folder / "raw" / "a.nxs", ns=(1, 1))
    with pytest.raises(LinkedFileError, match="has changed"):
        frames.compute()


def test_one_file_of_many_that_is_gone(tmp_path: Path) -> None:
    files = write_images(tmp_path, "smv", counts())
    dxdask.import_(files, tmp_path / "a.zarr", link=True)
    files[3].unlink()
    with pytest.raises(LinkedFileError, match=files[3].name):
        dxdask.find_spots(tmp_path / "a.zarr", show=dxdask.quiet)


def test_store_and_files_that_moved_together(folder: Path, tmp_path: Path) -> None:
    frames = Store.open(folder / "a.zarr").frames("a").compute()
    moved = folder.rename(tmp_path / "moved")
    store = Store.open(moved / "a.zarr")
    np.testing.assert_array_equal(store.frames("a").compute(), frames)
    with pytest.raises(LinkedFileError, match="is not there"):
        zarr.open_array(store.path / "runs" / "a" / "frames", mode="r")[0]


def test_a_store_that_moved_alone(folder: Path, tmp_path: Path) -> None:
    frames = Store.open(folder / "a.zarr").frames("a").compute()
    (tmp_path / "x" / "y").mkdir(parents=True)
    moved = (folder / "a.zarr").rename(tmp_path / "x" / "y" / "a.zarr")
    np.testing.assert_array_equal(Store.open(moved).frames("a").compute(), frames)


def test_a_frame_that_is_bad_is_a_problem_and_the_others_are_used(
    raw: list[Path], tmp_path: Path
) -> None:
    file = damaged(raw[1], tmp_path / "tiny_2.nxs", image=4)
    store = dxdask.import_(file, tmp_path / "a.zarr", link=True)
    dxdask.find_spots(store, show=dxdask.quiet)
    [row] = store.problems().to_dict("records")
    assert (row["run"], row["image"], row["step"]) == ("tiny_2", 5, "find_spots")
    assert "tiny_2.nxs: image 5 cannot be read" in row["reason"]
    copied = dxdask.import_(file, tmp_path / "b.zarr")
    dxdask.find_spots(copied, show=dxdask.quiet)
    for name, values in copied.columns("find_spots").items():
        np.testing.assert_array_equal(store.columns("find_spots")[name], values, err_msg=name)


@pytest.mark.parametrize("kind", ["cbf", "smv"])
@pytest.mark.parametrize("left", [0.4, 0.9])
def test_a_truncated_image_file_is_a_problem(kind: str, left: float, tmp_path: Path) -> None:
    files = write_images(tmp_path, kind, counts((4, 40, 60)))
    header = 1300 if kind == "cbf" else 512
    size = files[2].stat().st_size
    os.truncate(files[2], max(header, int(left * size)))
    store = dxdask.import_(files, tmp_path / "a.zarr", link=True)
    reader = store.frame_reader("image")
    assert reader.read(0, 2).shape == (2, 40, 60)
    with pytest.raises(FormatError, match=rf"{files[2].name}: image 3 cannot be read"):
        reader.read(0, 4)
    dxdask.find_spots(store, show=dxdask.quiet)
    assert store.problems()["image"].tolist() == [3]


def edit(store: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the configuration of the codec."""
    file = store / "runs" / "a" / "frames" / "zarr.json"
    content = json.loads(file.read_text())
    change(content["codecs"][0]["configuration"]["codecs"][0]["configuration"])
    file.write_text(json.dumps(content))
    renew(store)


def renew(store: Path) -> None:
    """Give the run another identifier, as one of another store would have."""
    file = store / "runs" / "a" / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"]["id"] = os.urandom(8).hex()
    file.write_text(json.dumps(content))


def point(store: Path, image: int, **values: int) -> None:
    """Change the reference of an image, checksum and all."""
    file = store / "runs" / "a" / "frames" / "c" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    reference = np.frombuffer(data[24 * image : 24 * image + 20], dtype=REFERENCE).copy()
    for name, value in values.items():
        reference[name] = value
    data[24 * image : 24 * (image + 1)] = with_checksum(reference.tobytes())
    file.write_bytes(data)
    renew(store)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"offset": 2**64 - 1}, "behind the end"),
        ({"offset": 10**9}, "behind the end"),
        ({"length": 2**63}, "behind the end"),
        ({"offset": 2**64 - 5, "length": 10}, "behind the end"),
        ({"file": 1}, "file 1 of 1"),
    ],
)
def test_references_out_of_the_files(folder: Path, values: dict[str, int], message: str) -> None:
    point(folder / "a.zarr", 2, **values)
    refuse(folder / "a.zarr", message, SchemaError)
    with pytest.raises(SchemaError, match=message):
        zarr.open_array(folder / "a.zarr" / "runs" / "a" / "frames", mode="r")[2]


def test_a_reference_to_other_bytes_of_the_file_is_a_damaged_image(folder: Path) -> None:
    point(folder / "a.zarr", 2, offset=0)
    reader = Store.open(folder / "a.zarr").frame_reader("a")
    with pytest.raises(FormatError, match="image 3 cannot be read"):
        reader.read(0, 5)


def link_to(path: Path, **others: Any) -> Callable[[dict[str, Any]], None]:
    def change(configuration: dict[str, Any]) -> None:
        status = path.stat()
        head = path.read_bytes()[:4096] if path.is_file() else b""
        digest = hashlib.sha256(head).hexdigest()[:16]
        configuration["folders"] = [[str(path.parent), "."]]
        configuration["files"] = [[0, path.name, status.st_size, str(status.st_mtime_ns), digest]]
        configuration.update(others)

    return change


@pytest.mark.parametrize("compression", ["none", "file", "bitshuffle+lz4"])
def test_a_file_that_is_no_image_gives_nothing_away(
    folder: Path, tmp_path: Path, compression: str
) -> None:
    secret = tmp_path / "passwd"
    secret.write_text("root:x:0:0:hidden\n" * 100)
    edit(folder / "a.zarr", link_to(secret, compression=compression, format="cbf"))
    for image in range(5):
        point(folder / "a.zarr", image, offset=0, length=384)
    reader = Store.open(folder / "a.zarr").frame_reader("a")
    for read in (lambda: reader.read(2, 3), lambda: zarr.open_array(reader.path, mode="r")[2]):
        with pytest.raises((LinkedFileError, FormatError)) as found:
            read()
        assert "hidden" not in str(found.value)
        assert "x:0:0" not in str(found.value)


def test_a_pipe_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    edit(folder / "a.zarr", link_to(pipe))
    with pytest.raises(SchemaError, match="behind the end"):
        Store.open(folder / "a.zarr").frames("a")
    file = folder / "raw" / "a.nxs"
    edit(folder / "a.zarr", link_to(file))
    file.unlink()
    os.mkfifo(file)
    refuse(folder / "a.zarr", "not a regular file")


@pytest.mark.parametrize(
    "change",
    [
        {"files": "x"},
        {"files": [[7, "a.nxs", 1, "1", ""]]},
        {"files": [[0, "../a.nxs", 1, "1", ""]]},
        {"files": [[0, "a.nxs", -1, "1", ""]]},
        {"files": [[0, "a\0.nxs", 10**9, "1", ""]]},
        {"files": []},
        {"compression": "pickle"},
        {"stored": "O"},
        {"stored": "<u8"},
        {"format": "sh"},
        {"version": 1},
        {"folders": None},
    ],
)
def test_a_list_of_files_that_is_damaged(folder: Path, change: dict[str, Any]) -> None:
    edit(folder / "a.zarr", lambda configuration: configuration.update(change))
    with pytest.raises((SchemaError, LinkedFileError)):
        Store.open(folder / "a.zarr").frames("a").compute()


def test_a_link_of_the_version_before(folder: Path) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration["kind"] = configuration.pop("format")
        configuration["packing"] = configuration.pop("compression")
        configuration["version"] = 1

    edit(folder / "a.zarr", change)
    with pytest.raises(SchemaError, match="linked by another version of dxdask; import them again"):
        Store.open(folder / "a.zarr").frames("a")


@pytest.mark.parametrize(
    "shape", [[10**12, 12, 16], [5, 10**9, 16], [5, 12], [0, 12, 16], [5, -12, 16], "x"]
)
def test_a_shape_that_cannot_be(folder: Path, shape: Any) -> None:
    file = folder / "a.zarr" / "runs" / "a" / "frames" / "zarr.json"
    content = json.loads(file.read_text())
    content["shape"] = shape
    file.write_text(json.dumps(content))
    renew(folder / "a.zarr")
    with pytest.raises(SchemaError, match="import again"):
        Store.open(folder / "a.zarr").frames("a")


def test_references_that_are_damaged(folder: Path) -> None:
    file = folder / "a.zarr" / "runs" / "a" / "frames" / "c" / "0" / "0" / "0"
    whole = file.read_bytes()
    for at in (3, 30, len(whole) - 20, len(whole) - 1):
        data = bytearray(whole)
        data[at] ^= 1
        file.write_bytes(data)
        renew(folder / "a.zarr")
        with pytest.raises(SchemaError, match="checksum"):
            Store.open(folder / "a.zarr").frames("a")
    for data in (b"", whole[:-1], whole + bytes(5000)):
        file.write_bytes(data)
        renew(folder / "a.zarr")
        with pytest.raises(SchemaError):
            Store.open(folder / "a.zarr").frames("a")
    shutil.rmtree(file.parent)
    renew(folder / "a.zarr")
    with pytest.raises(SchemaError):
        Store.open(folder / "a.zarr").frames("a")
