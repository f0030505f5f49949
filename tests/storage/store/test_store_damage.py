"""Stores that were damaged: what is wrong is named."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.store_examples import edit, result

from dxdask.errors import SchemaError
from dxdask.storage.store import create
from dxdask.storage.store.store import Store


def test_missing_column_is_named(store: Store) -> None:
    store.write_step("index", result())
    shutil.rmtree(store.path / "results/main/index/runs/run1/hkl")
    with pytest.raises(SchemaError, match="column 'hkl' is missing"):
        store.read_step("index")
    assert len(store.columns("index", ["x"])["x"]) == 40


def test_lost_chunk_is_no_zero(store: Store) -> None:
    store.write_step("index", result())
    (store.path / "results/main/index/runs/run1/x" / "c" / "0").unlink()
    with pytest.raises(SchemaError, match=r"column 'x' .*has 0 of 1 chunks"):
        store.read_step("index")


@pytest.mark.parametrize("where", [3, 40, -20])
def test_damaged_column_is_named(store: Store, where: int) -> None:
    store.write_step("index", result())
    chunk = store.path / "results/main/index/runs/run1/x" / "c" / "0"
    content = bytearray(chunk.read_bytes())
    content[where] ^= 0xFF
    chunk.write_bytes(content)
    with pytest.raises(SchemaError, match=r"column 'x' .* is damaged"):
        store.read_step("index")


def test_column_of_another_type_is_named(store: Store) -> None:
    store.write_step("index", result())
    folder = store.path / "results/main/index/runs/run1"
    shutil.rmtree(folder / "x")
    create.array(folder, "x", np.zeros(40, np.float32), ("reflection",), {})
    with pytest.raises(SchemaError, match=r"column 'x' .* is float32"):
        store.read_step("index")


def test_columns_of_unequal_length_are_named(store: Store) -> None:
    store.write_step("index", result())
    folder = store.path / "results/main/index/runs/run1"
    shutil.rmtree(folder / "x")
    create.array(folder, "x", np.zeros(39), ("reflection",), {})
    with pytest.raises(SchemaError, match="differ in length"):
        store.read_step("index")


def test_damaged_models_are_named(store: Store) -> None:
    store.write_step("index", result())
    edit(
        store.path / "results/main/index" / "models",
        lambda m: m["attributes"]["experiments"].pop("beams"),
    )
    with pytest.raises(SchemaError, match=r"models at .* are damaged"):
        store.experiments("index")
