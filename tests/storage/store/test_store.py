from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from support.store_examples import edit, experiment, frames, new_store, result, write_run

import dxdask
from dxdask.errors import InputError, SchemaError, StoreExistsError, StoreNotFoundError
from dxdask.storage.store.store import Store


def change_attributes(path: Path, **changes: object) -> None:
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"].update(changes)
    (path / "zarr.json").write_text(json.dumps(content))


def test_new_store_has_its_schema(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert store.attributes["format"] == "dxdask"
    assert store.attributes["version"] == 2
    assert "zarr" in store.attributes["software"]
    assert store.runs == ()
    assert len(store.imported()) == 0
    assert store.show() == {"steps": {}, "problems": []}
    assert store.history() == ()
    assert list(store.problems().columns) == ["run", "image", "step", "reason"]


def test_dxdask_opens_a_store(tmp_path: Path) -> None:
    new_store(tmp_path)
    assert isinstance(dxdask.open(tmp_path / "ensemble.zarr"), Store)


def test_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match=r"nothing\.zarr.*dxdask import"):
        dxdask.open(tmp_path / "nothing.zarr")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no dxdask store"):
        Store.open(tmp_path)


def test_another_zarr_is_no_store(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(SchemaError, match="no dxdask store"):
        Store.open(tmp_path / "other.zarr")


def test_damaged_metadata_is_named(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    (store.path / "zarr.json").write_text('{"zarr_format": 3, "attr')
    with pytest.raises(SchemaError, match=r"zarr\.json cannot be read"):
        Store.open(store.path)


@pytest.mark.parametrize(
    ("version", "words"), [(3, "upgrade dxdask"), (1, "import its files again"), ("x", "never was")]
)
def test_other_versions_are_refused(tmp_path: Path, version: object, words: str) -> None:
    store = new_store(tmp_path)
    change_attributes(store.path, version=version)
    with pytest.raises(SchemaError, match=words):
        Store.open(store.path)


def test_existing_store_needs_overwrite(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    write_run(store, "run1", frames())
    with pytest.raises(StoreExistsError, match="overwrite=true"):
        new_store(tmp_path)
    assert store.runs == ("run1",)
    assert Store.create(store.path, overwrite=True).runs == ()


def test_a_store_of_version_1_is_replaced(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    change_attributes(store.path, version=1)
    assert Store.create(store.path, overwrite=True).attributes["version"] == 2


def test_overwrite_deletes_nothing_but_stores(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(StoreExistsError, match="no dxdask store"):
        Store.create(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(StoreExistsError, match="another name"):
        Store.create(tmp_path / "thesis.txt", overwrite=True)


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert Store.create(tmp_path / "empty").runs == ()


def test_a_store_for_reading_is_not_written(tmp_path: Path) -> None:
    store = Store.open(new_store(tmp_path).path, mode="r")
    with pytest.raises(InputError, match="open for reading"):
        store.write_step("index", result())
    with pytest.raises(InputError, match="mode"):
        Store.open(store.path, mode="w")  # type: ignore[arg-type]


def test_runs_keep_the_order_of_import(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for run in ("z", "a", "m"):
        write_run(store, run, frames())
    assert store.runs == ("z", "a", "m")
    assert store.imported().runs == ("z", "a", "m")
    write_run(store, "z", frames(), overwrite=True)
    assert store.runs == ("z", "a", "m")


def test_models_come_back(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    write_run(store, "run1", frames())
    assert store.run_experiment("run1") == experiment("run1")
    with pytest.raises(StoreNotFoundError, match="complete runs: run1"):
        store.run_experiment("run2")


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".hidden", "__x", "x" * 300])
def test_names_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    store = new_store(tmp_path)
    with pytest.raises(InputError, match="cannot be called"):
        write_run(store, name, frames())
    with pytest.raises(InputError, match="cannot be called"):
        store.write_step(name, result())


def test_a_store_shows_itself(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert "runs: none" in repr(store)
    write_run(store, "run1", frames())
    store.write_step("index", result(), seconds={"wall": 1.25})
    for text in (repr(store), store._repr_html_()):
        for word in ("run1", "5 x 7", "uint16", "index", "40", "1.2"):
            assert word in text
    assert "<table>" in store._repr_html_()


def test_every_node_is_plain_zarr_and_xarray(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    write_run(store, "run1", frames())
    store.write_step("index", result())
    names = dict(zarr.open_group(store.path, mode="r").members(max_depth=None))
    assert {"runs/run1/frames", "results/main/index/runs/run1/hkl", "history"} <= set(names)
    tree = xr.open_datatree(store.path, engine="zarr", consolidated=False)
    assert tree["runs/run1"]["frames"].dims == ("image", "slow", "fast")
    rows = tree["results/main/index/runs/run1"]
    assert rows["hkl"].dims == ("reflection", "hkl_part")
    assert rows["x"].attrs["units"] == "px"
    np.testing.assert_array_equal(rows["hkl"].values, store.columns("index", run="run1")["hkl"])


def test_a_panel_stored_without_a_law_of_parallax_has_that_of_dxtbx(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    write_run(store, "run1", frames())
    assert store.run_experiment("run1").detector[0].parallax_law == "absorbed"

    def as_older(content: dict[str, Any]) -> None:
        for detector in content["attributes"]["experiments"]["detectors"]:
            for panel in detector["panels"]:
                del panel["parallax_law"]

    edit(store.path / "runs" / "run1" / "models", as_older)
    assert dxdask.open(store.path).run_experiment("run1").detector[0].parallax_law == "dxtbx"
