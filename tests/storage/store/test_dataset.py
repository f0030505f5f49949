"""Reflections as lazy datasets: the same values as the columns, named and decoded."""

from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import pytest
import xarray as xr
from support.store_examples import experiments, reflections, result

from dxdask.columns import Flag, has_flag
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.results import StepResult
from dxdask.storage.store import schema
from dxdask.storage.store.dataset import dataframe, flags
from dxdask.storage.store.store import Store

RUNS = ("first", "b")


@pytest.fixture
def given(store: Store) -> StepResult:
    """Reflections of two runs with centroids along the scan."""
    step = result(runs=RUNS)
    z = np.random.default_rng(1).uniform(0, 6, 40)
    step = replace(step, reflections={**step.reflections, "z": z})
    store.write_step("index", step)
    return step


def test_it_is_lazy_and_gives_the_columns(store: Store, given: StepResult) -> None:
    data = store.reflections("indexed")
    assert all(dask.is_dask_collection(v.data) for v in data.data_vars.values())
    assert list(data.data_vars) == list(given.reflections)
    for name, values in given.reflections.items():
        assert data[name].dtype == values.dtype
        np.testing.assert_array_equal(data[name].values, values)
    assert data.attrs == {"step": "index", "branch": "main"}
    assert data["x"].attrs["units"] == "px"


def test_coordinates(store: Store, given: StepResult) -> None:
    data = store.reflections("indexed", ["hkl", "x"])
    assert list(data.data_vars) == ["hkl", "x"]
    assert data["hkl"].dims == ("reflection", "hkl_part")
    assert data["hkl_part"].values.tolist() == ["h", "k", "l"]
    np.testing.assert_array_equal(
        data["hkl"].sel(hkl_part="k").values, given.reflections["hkl"][:, 1]
    )
    names = np.array(RUNS)[given.reflections["experiment"]]
    np.testing.assert_array_equal(data["run"].values, names)
    np.testing.assert_array_equal(
        data["image"].values, np.floor(given.reflections["z"]).astype(int) + 1
    )


def test_one_run(store: Store, given: StepResult) -> None:
    data = store.reflections("index", run="b")
    mine = given.reflections["experiment"] == 1
    np.testing.assert_array_equal(data["s1"].values, given.reflections["s1"][mine])
    assert set(data["experiment"].values) == {1}
    assert set(data["run"].values) == {"b"}
    with pytest.raises(StoreNotFoundError, match="run 'c'"):
        store.reflections("index", run="c")
    with pytest.raises(SchemaError, match="no column peak"):
        store.reflections("index", ["peak"])


def test_long_runs_are_several_blocks(
    store: Store, given: StepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "ROWS_PER_CHUNK", 7)
    store.write_step("refine", given)
    data = store.reflections("refine")
    assert max(data["x"].chunks[0]) == 7  # type: ignore[index]
    for name, values in given.reflections.items():
        np.testing.assert_array_equal(data[name].values, values)


def test_flags_are_decoded(store: Store, given: StepResult) -> None:
    data = store.reflections("index")
    decoded = flags(data)
    for name, bits in {"indexed": Flag.INDEXED, "integrated": Flag.INTEGRATED}.items():
        assert decoded[name].dtype == np.bool_
        np.testing.assert_array_equal(decoded[name].values, has_flag(given.reflections, bits))
    assert "scaled" in decoded
    meanings = data["flags"].attrs["flag_meanings"].split()
    masks = data["flags"].attrs["flag_masks"]
    assert masks[meanings.index("indexed")] == Flag.INDEXED
    x = data["x"].where(decoded["indexed"].compute(), drop=True).values
    np.testing.assert_array_equal(x, given.reflections["x"][decoded["indexed"].values])


def test_a_data_frame(store: Store, given: StepResult) -> None:
    frame = dataframe(store.reflections("index"))
    assert len(frame) == 40
    assert {"run", "image", "h", "k", "l", "s1_x", "x", "flags"} <= set(frame.columns)
    np.testing.assert_array_equal(frame[["h", "k", "l"]].to_numpy(), given.reflections["hkl"])
    assert store.reflections("index", ["x", "z"]).to_dataframe()["x"].tolist() == list(
        given.reflections["x"]
    )


def test_merged_reflections_have_no_run(store: Store) -> None:
    table = {k: v for k, v in reflections().items() if k in ("hkl", "x")}
    store.write_step("merge", StepResult(experiments=experiments("a"), reflections=table))
    data = store.reflections("merged")
    assert "run" not in data.coords
    np.testing.assert_array_equal(data["hkl"].values, table["hkl"])
    group = xr.open_zarr(store.path / "results/main/merge", consolidated=False)
    np.testing.assert_array_equal(group["hkl"].values, table["hkl"])


def test_rows_that_do_not_lie_by_run(store: Store) -> None:
    table = reflections(2)
    table["experiment"] = np.resize(np.array([1, 0], np.int32), 40)
    store.write_step("index", StepResult(experiments=experiments("a", "b"), reflections=table))
    data = store.reflections("index", run="b")
    np.testing.assert_array_equal(data["x"].values, table["x"][table["experiment"] == 1])


def test_no_rows(store: Store) -> None:
    table = {k: v[:0] for k, v in reflections().items()}
    store.write_step("index", StepResult(experiments=experiments("a"), reflections=table))
    data = store.reflections("index")
    assert data["hkl"].shape == (0, 3)
    assert len(dataframe(data)) == 0


def test_a_replaced_step_is_not_mixed_with_the_new_one(store: Store, given: StepResult) -> None:
    data = store.reflections("index")
    store.write_step("index", given)
    with pytest.raises(SchemaError, match="has been replaced since"):
        data["x"].compute()


def test_few_tasks(store: Store, given: StepResult) -> None:
    data = store.reflections("index")
    assert len(dict(data["x"].data.__dask_graph__())) == 2
