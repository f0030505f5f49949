"""A store made to harm its reader: its metadata are checked, nothing leaves its folder."""

import os
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from support.store_examples import edit, frames, result, write_run

from dxdask.errors import DxdaskError, MemoryBudgetError, SchemaError
from dxdask.storage.store.store import Store


def forge(chunk: Path, at: int, value: int) -> None:
    """Put a number into the blosc header of a chunk and mend its checksum."""
    body = bytearray(chunk.read_bytes()[:-4])
    struct.pack_into("<I", body, at, value)
    chunk.write_bytes(bytes(body) + struct.pack("<I", google_crc32c.value(bytes(body))))


def test_sizes_are_checked_before_allocation(store: Store) -> None:
    store.write_step("index", result())
    edit(store.path / "results/main/index/runs/run1" / "x", lambda m: m.update(shape=[10**13]))
    with pytest.raises(SchemaError, match=r"column 'x' .* chunks"):
        store.columns("index", ["x"])

    def huge(content: dict[str, Any]) -> None:
        content["chunk_grid"]["configuration"]["chunk_shape"] = [10**13]

    edit(store.path / "results/main/index/runs/run1" / "x", huge)
    with pytest.raises(MemoryBudgetError, match=r"column 'x' .* needs 80000\.0 GB"):
        store.columns("index", ["x"])


def test_codecs_that_only_unpack(store: Store) -> None:
    store.write_step("index", result())
    edit(
        store.path / "results/main/index/runs/run1" / "x",
        lambda m: m["codecs"].append({"name": "numcodecs.pickle", "configuration": {}}),
    )
    with pytest.raises(SchemaError, match=r"numcodecs\.pickle, which dxdask does not read"):
        store.columns("index", ["x"])


@pytest.mark.parametrize("codec", ["numcodecs.pickle", "gzip", "zstd"])
def test_codecs_within_shards_are_checked_too(store: Store, codec: str) -> None:
    store.write_step("index", result())
    shards = {
        "chunk_shape": [40],
        "codecs": [{"name": codec, "configuration": {}}],
        "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}],
    }

    def nest(content: dict[str, Any]) -> None:
        content["codecs"] = [{"name": "sharding_indexed", "configuration": shards}]

    edit(store.path / "results/main/index/runs/run1" / "x", nest)
    with pytest.raises(SchemaError, match="which dxdask does not read"):
        store.columns("index", ["x"])


@pytest.mark.parametrize("size", [0, 321, 2**31 - 100])
def test_a_chunk_that_unpacks_to_another_size(store: Store, size: int) -> None:
    store.write_step("index", result())
    n = store.manifest("index").runs["run1"].n_reflections
    forge(store.path / "results/main/index/runs/run1" / "x" / "c" / "0", 4, size)
    with pytest.raises(SchemaError, match=rf"holds {size} bytes instead of {8 * n}"):
        store.columns("index", ["x"])


def test_a_chunk_larger_than_the_memory(store: Store) -> None:
    store.write_step("index", result())
    edit(
        store.path / "results/main/index/runs/run1" / "x",
        lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[10**13]),
    )
    with pytest.raises((SchemaError, MemoryBudgetError)):
        store.columns("index", ["x"])


def test_a_chunk_that_is_no_file(store: Store) -> None:
    store.write_step("index", result())
    chunk = store.path / "results/main/index/runs/run1" / "x" / "c" / "0"
    chunk.unlink()
    os.mkfifo(chunk)  # reading it would wait for ever
    with pytest.raises(SchemaError, match="chunks"):
        store.columns("index", ["x"])


def test_a_stray_file_is_no_chunk(store: Store) -> None:
    store.write_step("index", result())
    chunk = store.path / "results/main/index/runs/run1" / "x" / "c" / "0"
    chunk.rename(chunk.with_name("0.bak"))
    with pytest.raises(SchemaError, match="chunks"):
        store.columns("index", ["x"])


@pytest.mark.parametrize("dtype", ["string", "variable_length_bytes", "complex256", "float16 "])
def test_frames_are_numbers(store: Store, dtype: str) -> None:
    write_run(store, "run1", frames())
    edit(store.path / "runs" / "run1" / "frames", lambda m: m.update(data_type=dtype))
    with pytest.raises(SchemaError):
        store.frame_reader("run1")


def test_frames_of_text_are_refused(store: Store) -> None:
    write_run(store, "run1", frames())
    text = {"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}}
    edit(store.path / "runs" / "run1" / "frames", lambda m: m.update(data_type=text, fill_value=""))
    with pytest.raises(SchemaError):
        store.frame_reader("run1")


def test_a_packed_frame_that_claims_to_go_on(store: Store) -> None:
    """Blosc believes the length in its header and would read behind the end of the data."""
    write_run(store, "run1", frames())
    forge(store.path / "runs" / "run1" / "frames" / "c" / "0" / "0" / "0", 12, 2**30)
    with pytest.raises(SchemaError, match=r"image 1 cannot be read"):
        store.frame_reader("run1").read(0, 1)


def test_nothing_is_moved_out_of_the_store(store: Store, tmp_path: Path) -> None:
    outside = f"/{tmp_path.name}-{os.getpid()}"
    for name in (f".{outside[1:]}", "runs", "..", "elsewhere"):
        folder = store.path / ".dxdask" / "replaced" / "main" / name
        folder.mkdir(parents=True, exist_ok=True)
    before = sorted(p.name for p in store.path.iterdir())
    store.write_step("index", result())
    assert not Path(outside).exists()
    assert sorted(p.name for p in store.path.iterdir()) == before
    assert sorted(p.name for p in (store.path / "results").iterdir()) == ["main", "zarr.json"]


def test_nested_beyond_reason(store: Store) -> None:
    store.write_step("index", result())
    (store.path / "results/main/index/report/zarr.json").write_text("[" * 100_000)
    with pytest.raises(DxdaskError):
        store.tables("index")
