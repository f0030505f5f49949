"""A dark run reduced once, for the runs it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.still_runs import assert_same_tables, events, stills, write_raw, write_run

from dxdask.errors import InputError, ParameterError
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline import run_calibration
from dxdask.pipeline.api import quiet
from dxdask.pipeline.pedestal import PedestalParameters, pedestal
from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a raw run and its dark run."""
    return write_raw(tmp_path_factory.mktemp("raw"), events("x.xx").photons)


def reduced(paths: Path | list[Path], output: Path | None, **given: Any) -> Store:
    base = {"cluster.kind": "synchronous"}
    parameters = with_assignments(PedestalParameters(), flatten(base | given))
    return pedestal(paths if isinstance(paths, list) else [paths], output, parameters, quiet)


def test_it_serves_like_the_dark_run_itself(files: tuple[Path, Path], tmp_path: Path) -> None:
    raw, dark = files
    store = reduced(dark, tmp_path / "dark.zarr")
    panels = store.table("pedestal", "panels")
    assert panels["run"].tolist() == ["dark"] * 4
    assert panels["pedestal"].to_numpy() == pytest.approx(500, abs=6)
    given = {"calibration.gain": 8.0}
    direct = stills(raw, tmp_path / "a.zarr", **given, **{"calibration.dark_path": str(dark)})
    by_it = stills(raw, tmp_path / "b.zarr", **given, **{"calibration.dark_path": str(store.path)})
    assert_same_tables(direct, by_it)


def test_it_is_done_once(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "dark.zarr"
    before = reduced(files[1], path).step_attributes("pedestal")["id"]
    assert reduced(files[1], path).step_attributes("pedestal")["id"] == before
    assert reduced(path, None).step_attributes("pedestal")["id"] == before
    other = reduced(path, None, **{"dark.n_mad_mean": 1.0})
    assert other.step_attributes("pedestal")["id"] != before
    assert other.table("pedestal", "panels")["n_far_mean"].sum() > 10_000
    assert reduced(path, None).table("pedestal", "panels")["n_bad"].sum() < 10


def test_runs_that_are_no_dark_run(files: tuple[Path, Path], tmp_path: Path) -> None:
    raw, dark = files
    with pytest.raises(ParameterError, match=r"takes a file and -o NAME\.zarr, or a store"):
        reduced(dark, None)
    with pytest.raises(InputError, match=r"holds 2 runs \(.*\); a dark run is one"):
        reduced([raw, dark], tmp_path / "two.zarr")
    few = write_run(tmp_path / "few.h5", np.ones((2, 800, 300), np.uint16))
    with pytest.raises(InputError, match="the dark run has 2 usable frames"):
        reduced(few, tmp_path / "few.zarr")
    empty = Store.open(tmp_path / "few.zarr")
    given = {"calibration.dark_path": str(empty.path), "calibration.gain": 8.0}
    with pytest.raises(InputError, match="holds no pedestal; run: dxdask pedestal"):
        stills(raw, tmp_path / "a.zarr", **given)
    store = reduced(dark, tmp_path / "dark.zarr")
    given = {"calibration.dark_path": str(store.path), "calibration.dark.n_mad_mean": 5.0}
    with pytest.raises(ParameterError, match="is reduced already"):
        stills(raw, tmp_path / "b.zarr", **given)


def test_a_run_is_calibrated_once(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, dark = files
    made = []
    load = run_calibration.load_calibration

    def counted(*args: Any, **others: Any) -> Any:
        made.append(1)
        return load(*args, **others)

    monkeypatch.setattr(run_calibration, "load_calibration", counted)
    given = {"calibration.dark_path": str(dark), "calibration.gain": 8.0, "dispatch.index": False}
    path = tmp_path / "a.zarr"
    stills(raw, path, **given)
    stills(raw, path, **given, **{"hits.min_peaks": 20})
    # how the common mode is found is no matter of the maps
    stills(raw, path, **given, **{"calibration.common_mode.algorithm": "none"})
    assert len(made) == 1
    stills(raw, path, **given | {"calibration.gain": 7.0})
    assert len(made) == 2
    stills(raw, path, **given | {"calibration.gain": 7.0}, force=True)
    assert len(made) == 3
    with h5py.File(dark, "r+") as file:
        file["entry/data/data"][0] += 1
    stills(raw, path, **given | {"calibration.gain": 7.0})
    assert len(made) == 4
