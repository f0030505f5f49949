"""Results of steps in a store: what is put in comes back, and what may not be put in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zarr
from support.store_examples import assert_same, experiments, reflections, result

from dxdask import columns
from dxdask.errors import InputError, SchemaError, StoreNotFoundError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store import schema
from dxdask.storage.store.store import Store
from dxdask.tables import Table


@pytest.mark.parametrize(
    ("step", "name"),
    [("find_spots", "spots"), ("scale", "scaled"), ("histogram", "histogram")],
)
def test_result_comes_back(store: Store, step: str, name: str) -> None:
    store.write_step(step, result(), parameters={"a": {"b": (1, None)}}, fingerprint="f")
    assert (store.path / "results/main" / step / "runs/run1/x").is_dir()
    assert_same(store.read_step(step), result())
    assert_same(store.read_step(name), result())
    assert store.has_step(step)
    assert store.has_step(step, "f")
    assert not store.has_step(step, "g")
    assert store.step_attributes(step)["parameters"] == {"a": {"b": [1, None]}}
    assert store.experiments(step) == experiments("run1", "run2")


def test_models_read_twice_are_not_shared(store: Store) -> None:
    store.write_step("index", result())
    first, second = (store.experiments("index")[0] for _ in range(2))
    assert first == second
    assert len(ExperimentList.of([first, second]).detectors) == 2


def test_empty_result(store: Store) -> None:
    nothing = StepResult(experiments=ExperimentList(), reflections={})
    store.write_step("linearity", nothing)
    assert_same(store.read_step("linearity"), nothing)
    no_rows = StepResult(experiments=ExperimentList(), reflections=columns.empty(["x", "hkl"]))
    store.write_step("find_spots", no_rows)
    assert_same(store.read_step("find_spots"), no_rows)


def test_steps_not_run_are_absent(store: Store) -> None:
    assert not store.has_step("index")
    with pytest.raises(StoreNotFoundError, match="no result of index; run: dxdask index"):
        store.read_step("index")
    with pytest.raises(StoreNotFoundError, match="no result of index"):
        store.show("index")


def test_some_columns_of_one_run(store: Store) -> None:
    given = result(runs=("a", "b", "c"))
    store.write_step("index", given)
    for i, run in enumerate("abc"):
        table = store.columns("index", ["hkl", "x"], run=run)
        assert list(table) == ["hkl", "x"]
        mine = given.reflections["experiment"] == i
        np.testing.assert_array_equal(table["hkl"], given.reflections["hkl"][mine])
    with pytest.raises(SchemaError, match="no column peak; it has"):
        store.columns("index", ["peak"])
    with pytest.raises(StoreNotFoundError, match="no reflections of run 'd'"):
        store.columns("index", run="d")


def test_rows_of_a_run_whose_experiments_lie_apart(store: Store) -> None:
    table = reflections(3)
    store.write_step("index", StepResult(experiments=experiments("a", "b", "a"), reflections=table))
    found = store.columns("index", run="a")
    np.testing.assert_array_equal(found["x"], table["x"][table["experiment"] != 1])


def test_unsorted_rows_and_rows_of_no_experiment(store: Store) -> None:
    table = reflections(2)
    table["experiment"] = np.resize(np.array([1, -1, 0], np.int32), 40)
    store.write_step("index", StepResult(experiments=experiments("a", "b"), reflections=table))
    assert (store.columns("index", run="a")["experiment"] == 0).all()
    table["experiment"] = np.sort(table["experiment"])
    store.write_step("index", StepResult(experiments=experiments("a", "b"), reflections=table))
    own = zarr.open_array(store.path / "results/main/index/x", mode="r")
    assert own.shape == (13,)
    assert_same(
        store.read_step("index"),
        StepResult(experiments=experiments("a", "b"), reflections=table),
    )
    assert (store.columns("index", run="a")["experiment"] == 0).all()


def test_columns_span_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "ROWS_PER_CHUNK", 7)
    store.write_step("index", result())
    assert zarr.open_array(
        store.path / "results/main/index/runs/run1" / "hkl", mode="r"
    ).chunks == (7, 3)
    assert_same(store.read_step("index"), result())
    given = result().reflections
    found = store.columns("index", run="run2")
    np.testing.assert_array_equal(found["s1"], given["s1"][given["experiment"] == 1])


def test_chunk_shapes() -> None:
    assert schema.chunk_shape((10**7,), 4) == (1 << 20,)
    assert schema.chunk_shape((10**6, 3), 8) == (699050, 3)
    assert schema.chunk_shape((), 8) == ()
    assert schema.chunk_shape((0, 3), 4) == (1, 3)
    assert schema.chunk_shape((4, 3000, 3000), 8) == (1, 699, 3000)
    assert schema.chunk_shape((2, 1 << 30), 1) == (1, 1 << 24)


def test_dataset_for_the_user(store: Store) -> None:
    store.write_step("index", result())
    data = store.reflections("indexed", ["hkl", "x"])
    assert data["hkl"].dims == ("reflection", "hkl_part")
    assert list(data["hkl_part"].values) == ["h", "k", "l"]
    assert data["x"].attrs["units"] == "px"
    np.testing.assert_array_equal(data["hkl"].sel(hkl_part="k"), result().reflections["hkl"][:, 1])


def test_show_is_strict_json(store: Store) -> None:
    rows = [{"run": "a", "mean": float("nan"), "n": np.int64(3)}]
    odd = replace(result(), tables=(Table(name="ratios", title="R", rows=rows),))
    store.write_step("linearity", odd, parameters={"d_max": float("inf")}, seconds={"total": 2.0})
    store.write_step("index", result())
    shown = store.show()
    assert list(shown["steps"]) == ["index", "linearity"]
    json.dumps(shown, allow_nan=False)
    step = shown["steps"]["linearity"]
    assert step == {
        "complete": True,
        "parameters": {"d_max": None},
        "seconds": {"total": 2.0},
        "tables": {"ratios": [{"run": "a", "mean": None, "n": 3}]},
    }
    assert list(store.show("linearity")["steps"]) == ["linearity"]
    assert shown["problems"][0]["reason"] == "all masked"
    assert np.isnan(store.table("linearity", "ratios")["mean"][0])
    assert len(store.problems()) == 2
    with pytest.raises(StoreNotFoundError, match="no table 'x'; it has ratios"):
        store.table("linearity", "x")
    assert "% indexed" in str(store.tables("index")[0])
    assert store.messages("index") == result().messages


def test_history_keeps_each_time(store: Store) -> None:
    for seed in (1, 2):
        store.write_step("index", result(seed), parameters={"seed": seed})
    store.write_step("refine", result())
    history = store.history()
    assert [(e["step"], e["current"]) for e in history] == [
        ("index", False),
        ("index", True),
        ("refine", True),
    ]
    assert [e["tables"][0]["rows"][0]["n_indexed"] for e in history] == [11, 12, 10]
    # a row an event, for example, is kept once
    images = Table(name="images", title="", rows=[{"image": 1}], printed=False)
    more = result(3)
    store.write_step("index", replace(more, tables=(*more.tables, images)))
    assert [t.name for t in store.tables("index")] == [*(t.name for t in more.tables), "images"]
    assert [t["name"] for t in store.history()[-1]["tables"]] == [t.name for t in more.tables]
    assert history[0]["parameters"] == {"seed": 1}
    assert history[0]["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t | {"x": t["x"].astype("f4")}, "column 'x' is float32"),
        (lambda t: t | {"nonsense": t["x"]}, "unknown column 'nonsense'"),
        (lambda t: t | {"experiment": t["experiment"] + np.int32(5)}, "there are 2 experiments"),
    ],
)
def test_wrong_columns_are_refused(
    store: Store, change: Callable[[columns.Reflections], columns.Reflections], words: str
) -> None:
    store.write_step("index", result(1))
    with pytest.raises(SchemaError, match=words):
        store.write_step("index", replace(result(), reflections=change(reflections())))
    assert_same(store.read_step("index"), result(1))


@pytest.mark.parametrize(
    "values", [np.array([None]), np.array(["text"]), np.zeros(2, dtype=[("a", "i4")])]
)
def test_no_objects_in_a_store(store: Store, values: np.ndarray[Any, Any]) -> None:
    with pytest.raises(SchemaError, match="numbers and truth values only"):
        store.write_step("index", replace(result(), arrays={"bad": values}))


def test_values_that_json_cannot_hold_are_named(store: Store) -> None:
    with pytest.raises(InputError, match=r"parameters\.filter is a set"):
        store.write_step("index", result(), parameters={"filter": {1, 2}})
    assert not store.has_step("index")
