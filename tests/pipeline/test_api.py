"""The Python API: keywords as on the command line, results as notebooks show them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.ensemble_example import QUICK, RUNS, STEPS, assert_same

import dxdask
from dxdask.errors import InputError, ParameterError, StoreLockedError
from dxdask.storage.store.store import Store


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "copy.zarr")
    return dxdask.open(tmp_path / "copy.zarr")


def test_every_name_is_there() -> None:
    for name in dxdask.__all__:
        assert callable(getattr(dxdask, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        dxdask.nosuch  # noqa: B018
    assert dxdask.__version__


def test_step_by_step_in_python(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    store = dxdask.import_(raw, tmp_path / "a.zarr")
    for name in STEPS:
        given = QUICK if name == "index" else {}
        function = getattr(dxdask, name)
        assert function(store, show=dxdask.quiet, **given).path == store.path
    assert_same(processed, store)


def test_keywords_short_full_and_nested_are_the_same(store: Store) -> None:
    ids = set()
    for given in (
        {"nbins": 7},
        {"merging": {"merging": {"nbins": 7}}},
        {"merging.merging.nbins": 7},
        {"nbins": "7"},
    ):
        dxdask.merge(store, show=dxdask.quiet, **given)
        ids.add(store.step_attributes("merge")["id"])
    assert len(ids) == 1
    assert len(store.table("merge", "shells")) == 7


def test_wrong_keywords_are_named(store: Store) -> None:
    with pytest.raises(ParameterError, match=r"did you mean .*nbins"):
        dxdask.merge(store, nbin=7)
    with pytest.raises(ParameterError, match="nbins"):
        dxdask.merge(store, nbins=-1)
    with pytest.raises(ParameterError, match="unknown parameter"):
        dxdask.merge(store, min_spot_size=3)


def test_a_path_will_do_for_a_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(dxdask.merge(str(store.path)), Store)
    assert capsys.readouterr().out == ""
    dxdask.merge(store.path, show=dxdask.show_step)
    assert "Merging statistics" in capsys.readouterr().out


def test_while_the_caller_writes_the_steps_are_refused(store: Store) -> None:
    with store.writing(), pytest.raises(StoreLockedError, match="is being written to by"):
        dxdask.merge(store.path, force=True)


def test_results_as_tables_datasets_and_models(processed: Store) -> None:
    table = processed.table("refine", "rmsds")
    assert isinstance(table, pd.DataFrame)
    assert tuple(table["run"]) == RUNS
    data = processed.reflections("indexed")
    assert isinstance(data, xr.Dataset)
    assert data["x"].attrs["units"] == "px"
    assert data.sizes["reflection"] == processed.step_attributes("index")["n_reflections"]
    assert data["hkl"].shape[1] == 3
    experiments = processed.experiments("refined")
    assert tuple(experiments.runs) == RUNS
    assert processed.problems().columns.to_list() == ["run", "image", "step", "reason"]
    frames = processed.frames("tiny_1")
    assert frames.shape == (14, 264, 256)
    assert frames.dtype == np.uint16
    groups = [
        xr.open_zarr(processed.path, group=f"results/main/index/runs/{run}", consolidated=False)
        for run in RUNS
    ]
    np.testing.assert_array_equal(np.concatenate([g["x"].values for g in groups]), data["x"].values)


def test_a_store_shows_itself(processed: Store) -> None:
    text, page = repr(processed), processed._repr_html_()
    for name in (*RUNS, *STEPS):
        assert name in text
        assert name in page
    assert page.count("<table>") == 2
    assert "<script" not in page


def test_export_from_python(store: Store, tmp_path: Path) -> None:
    [file] = dxdask.export(store, output=str(tmp_path / "a.mtz"))
    assert Path(file).stat().st_size > 1000
    files = dxdask.export(store.path, format="dials", output=str(tmp_path / "b.expt"))
    assert [Path(f).suffix for f in files] == [".expt", ".refl"]


def test_a_store_open_for_reading_is_not_written_to(store: Store) -> None:
    reader = dxdask.open(store.path, mode="r")
    assert reader.has_step("merge")
    with pytest.raises(InputError, match="open for reading"):
        dxdask.merge(reader, nbins=5)
