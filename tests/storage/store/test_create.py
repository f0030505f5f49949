"""Groups and arrays written directly: zarr-python would have written the same metadata."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from dxdask.errors import SchemaError
from dxdask.storage.store import create, read, schema

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
          "float32", "float64", "complex64", "complex128")  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (7, 3)])
def test_arrays_are_those_of_zarr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(schema, "ROWS_PER_CHUNK", 3)
    values = (np.arange(math.prod(shape)) % 2).reshape(shape).astype(dtype)
    dims = tuple(f"d{i}" for i in range(len(shape)))
    create.group(tmp_path / "ours", {"n": 1})
    create.array(tmp_path / "ours", "x", values, dims, {"units": "px"})
    group = zarr.create_group(tmp_path / "zarrs", attributes={"n": 1}, zarr_format=3)
    theirs = group.create_array(
        "x",
        shape=shape,
        dtype=values.dtype,
        chunks=schema.chunk_shape(shape, values.dtype.itemsize),
        compressors=[
            BloscCodec(typesize=values.dtype.itemsize, cname="zstd", clevel=1, shuffle="shuffle"),
            Crc32cCodec(),
        ],
        dimension_names=dims,
        attributes={"units": "px"},
        config={"write_empty_chunks": True},
    )
    if values.size:
        theirs[...] = values
    for name in ("", "x"):
        assert metadata(tmp_path / "ours" / name) == metadata(tmp_path / "zarrs" / name)
    assert files(tmp_path / "ours") == files(tmp_path / "zarrs")
    np.testing.assert_array_equal(np.asarray(zarr.open_array(tmp_path / "ours/x")[...]), values)
    np.testing.assert_array_equal(read.array(tmp_path / "zarrs/x", "x"), values)


def metadata(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "zarr.json").read_text())
    # Some versions of zarr write null for metadata that are not consolidated, others nothing.
    if found.get("consolidated_metadata") is None:
        found.pop("consolidated_metadata", None)
    return found


def files(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def test_rows_of_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "ROWS_PER_CHUNK", 4)
    monkeypatch.setattr(schema, "CHUNK_BYTES", 64)
    values = np.arange(66.0).reshape(11, 6)
    create.group(tmp_path / "g", {})
    create.array(tmp_path / "g", "x", values, ("a", "b"), {})
    for first in range(11):
        for last in range(first, 12):
            found = read.array(tmp_path / "g/x", "x", slice(first, last))
            np.testing.assert_array_equal(found, values[first:last])


def test_attributes_are_changed_and_others_kept(tmp_path: Path) -> None:
    create.group(tmp_path / "g", {"a": 1, "b": float("nan")})
    create.update(tmp_path / "g", {"a": 2, "c": float("inf")})
    found = read.attributes(tmp_path / "g")
    assert (found["a"], found["c"]) == (2, math.inf)
    assert math.isnan(found["b"])
    assert [p.name for p in (tmp_path / "g").iterdir()] == ["zarr.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data_type": "object"}, "numbers and truth values only"),
        ({"data_type": "nonsense"}, "metadata of .* are damaged"),
        ({"shape": [-5]}, "not chunked as dxdask"),
        ({"shape": [5, 5]}, "not chunked as dxdask"),
        ({"shape": "x"}, "metadata of .* are damaged"),
        ({"chunk_grid": {"name": "regular"}}, "metadata of .* are damaged"),
        ({"chunk_key_encoding": {"name": "v2"}}, "not chunked as dxdask"),
    ],
)
def test_metadata_are_not_believed(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    create.group(tmp_path / "g", {})
    create.array(tmp_path / "g", "x", np.arange(5.0), ("a",), {})
    content = metadata(tmp_path / "g/x")
    (tmp_path / "g/x/zarr.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(SchemaError, match=words):
        read.array(tmp_path / "g/x", "x")
