from __future__ import annotations

import os
from pathlib import Path

import pytest

from dxdask.errors import InputError
from dxdask.storage.store import documents
from dxdask.storage.store.provenance import file_fingerprint, fingerprint, versions


def test_fingerprint_follows_everything_but_order() -> None:
    base = fingerprint("index", {"a": 1, "b": {"c": 2.0}}, ["x", "y"], "1")
    assert base == fingerprint("index", {"b": {"c": 2.0}, "a": 1}, ["x", "y"], "1")
    assert len(base) == 64
    others = [
        fingerprint("refine", {"a": 1, "b": {"c": 2.0}}, ["x", "y"], "1"),
        fingerprint("index", {"a": 1, "b": {"c": 2.5}}, ["x", "y"], "1"),
        fingerprint("index", {"a": 1, "b": {"c": 2.0}}, ["y", "x"], "1"),
        fingerprint("index", {"a": 1, "b": {"c": 2.0}}, ["x", "y"], "2"),
        fingerprint("index", {"a": 1, "b": {"c": float("nan")}}, ["x", "y"], "1"),
    ]
    assert len({base, *others}) == 6


def test_file_fingerprint_sees_size_time_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "frames.h5"
    path.write_bytes(b"a" * 200_000)
    os.utime(path, ns=(1, 1))
    found = {file_fingerprint(path)}
    for content in (b"b" + b"a" * 199_999, b"a" * 199_999 + b"b", b"a" * 200_001):
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
        found.add(file_fingerprint(path))
    os.utime(path, ns=(2, 2))
    found.add(file_fingerprint(path))
    assert len(found) == 5
    assert file_fingerprint(path) in found


def test_file_fingerprint_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.h5"):
        file_fingerprint(tmp_path / "gone.h5")


def test_versions_name_the_packages_that_compute() -> None:
    assert {"python", "dxdask", "numpy", "numba", "zarr"} <= set(versions())


def test_documents_name_where_they_cannot() -> None:
    with pytest.raises(InputError, match=r"index\.a\.b is a object"):
        documents.encode({"a": {"b": object()}}, "index")
