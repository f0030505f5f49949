"""Two sides of a comparison: figures of their tables, matched intensities, a page; bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pages import Page

import dxdask
from dxdask.cli.main import run as command
from dxdask.errors import DxdaskError, InputError
from dxdask.report.comparison.compare import Comparison
from dxdask.report.page.encode import decoded
from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def branched(processed: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a copy whose branch `other` has merged intensities of 3 times the size."""
    path = tmp_path_factory.mktemp("branched") / "s.zarr"
    store = Store.open(Path(shutil.copytree(processed.path, path)))
    result = store.read_step("merge")
    table = dict(result.reflections) | {"intensity": 3.0 * result.reflections["intensity"]}
    given = store.step_attributes("merge")["parameters"]
    given = given | {"merging": {**given["merging"], "n_bins": 7}}
    store.on_branch("other").write_step(
        "merge", replace(result, reflections=table), parameters=given
    )
    return store


def row(found: Comparison, table: str, name: str) -> dict[str, Any]:
    return next(dict(r) for r in found.table(table).rows if r.get("quantity") == name)


def test_counts_of_runs_are_those_of_the_store(processed: Store) -> None:
    found = dxdask.compare(processed, runs=("tiny_1", "tiny_3"))
    images = processed.table("find_spots", "images").groupby("run")["n_spots"].sum()
    spots = row(found, "counts", "spots")
    assert (spots["A"], spots["B"]) == (images["tiny_1"], images["tiny_3"])
    assert spots["B - A"] == images["tiny_3"] - images["tiny_1"]
    rmsds = processed.table("refine", "rmsds").set_index("run")["rmsd_x_px"]
    assert row(found, "rmsds", "RMSD x (px), refine")["B"] == rmsds["tiny_3"]
    assert not [t for t in found.tables if t.name == "overall"]


def test_intensities_of_runs_are_as_their_transmissions(processed: Store) -> None:
    found = dxdask.compare(processed, runs=("tiny_1", "tiny_3"))
    (matched,) = found.table("matched").rows
    beams = [processed.run_experiment(r).beam.transmission for r in ("tiny_1", "tiny_3")]
    assert matched["slope"] == pytest.approx(beams[1] / beams[0], rel=0.1)
    assert matched["correlation"] > 0.9


def test_intensities_of_branches(branched: Store) -> None:
    found = dxdask.compare(branched, branches=("main", "other"))
    assert found.labels == ("main", "other")
    (matched,) = found.table("matched").rows
    assert matched["slope"] == pytest.approx(3.0)
    assert matched["median ratio"] == pytest.approx(3.0)
    assert matched["correlation"] == pytest.approx(1.0)
    assert matched["n"] == branched.manifest("merge").n_reflections
    back = dxdask.compare(branched, branches=("other", "main")).table("matched").rows[0]
    assert back["slope"] == pytest.approx(1 / 3)
    assert all(r["B - A"] == 0 for r in found.table("counts").rows)


def test_a_store_and_its_copy_are_equal(processed: Store, branched: Store) -> None:
    found = dxdask.compare(processed.path, branched.path)
    for name in ("counts", "rmsds", "cells", "overall"):
        assert all(r["B - A"] == 0 for r in found.table(name).rows), name
    shells = found.table("shells").rows
    assert [r["cc_half A"] for r in shells] == [r["cc_half B"] for r in shells]
    assert [r["d_min A"] for r in shells] == processed.table("merge", "shells")["d_min"].tolist()


def test_stores_of_other_kinds(processed: Store, stills_store: Store) -> None:
    found = dxdask.compare(processed, stills_store)
    assert row(found, "counts", "spots")["B"] == stills_store.manifest("find_spots").n_reflections


def test_a_store_without_results(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    empty = dxdask.import_(raw[0], tmp_path / "a.zarr")
    found = dxdask.compare(processed, empty)
    assert row(found, "counts", "spots")["B"] is None
    assert "no intensities on both sides" in str(found)
    assert dxdask.compare(Store.create(tmp_path / "e.zarr"), empty).tables == []


def test_the_command_and_the_page(
    branched: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "c.html"
    words = ["compare", str(branched.path), "branches=main,other"]
    assert command([*words, "--json", "-o", str(page)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["tables"]["matched"][0]["slope"] == pytest.approx(3.0)
    found = Page(page.read_text())
    assert found.sources == []
    counts = decoded(found.plot("Matched intensities")["counts"])
    positive = branched.columns("merge", ["intensity"])["intensity"] > 0
    assert counts.sum() == np.sum(positive)
    assert command([*words[:2], "main", "other"]) == 0
    text = capsys.readouterr().out
    assert "Matched intensities" in text
    assert "cc_half" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "both sides are the same"),
        (["branches=main,nosuch"], "has no branch 'nosuch'"),
        (["runs=tiny_1,tiny_9"], "has no run 'tiny_9'"),
        (["runs=tiny_1,tiny_1"], "both sides are the same"),
        (["nosuch.zarr"], "nosuch.zarr"),
        (["tiny_1", "tiny_9"], "not two branches or runs of"),
        (["main", "tiny_1", "tiny_2"], "takes two stores, or one"),
    ],
)
def test_bad_input(
    processed: Store, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command(["compare", str(processed.path), *words]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().split("\n")) == 1


def test_a_table_that_is_not_there(processed: Store) -> None:
    with pytest.raises(InputError, match="there is no table 'x'"):
        dxdask.compare(processed, runs=("tiny_1", "tiny_3")).table("x")
    with pytest.raises(DxdaskError):
        dxdask.compare(processed, "nosuch.zarr")
