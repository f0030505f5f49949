"""estimate_gain and find_bad_pixels on stores: tables, files, and masks that are applied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.cli.main import run as command
from dxdask.storage.store.store import Store

FRAME = (264, 256)
RUNS = ["tiny_1", "tiny_2", "tiny_3"]


@pytest.fixture(scope="module")
def imported(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checks") / "imported.zarr"
    dxdask.import_(raw, path)
    return path


@pytest.fixture
def store(imported: Path, tmp_path: Path) -> Store:
    shutil.copytree(imported, tmp_path / "s.zarr")
    return dxdask.open(tmp_path / "s.zarr")


def test_the_gain_of_each_run_and_the_map(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "gain.npy"
    dxdask.estimate_gain(
        store, kernel_size=(4, 4), max_images=3, output={"gain_map": file}, show=dxdask.quiet
    )
    runs = store.table("estimate_gain", "runs")
    assert list(runs["run"]) == RUNS
    assert runs["gain"].between(0.8, 1.3).all()
    images = store.table("estimate_gain", "images")
    assert list(images["image"]) == [1, 7, 14] * 3
    panels = store.table("estimate_gain", "panels")
    gain_map = np.load(file)
    assert gain_map.shape == FRAME
    for panel, rows in ((0, slice(128)), (1, slice(136, 264))):
        expected = panels["gain"][panels["panel"] == panel].median()
        assert (gain_map[rows] == expected).all()
    # it is what spot finding takes
    dxdask.find_spots(store, lookup={"gain_map": file}, show=dxdask.quiet)


def test_bad_pixels_are_found_written_and_applied(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.npy"
    words = [f"output.mask={file}", "output.print_values=true", "cluster=synchronous", "--json"]
    assert command(["find_bad_pixels", str(store.path), *words]) == 0
    shown = json.loads(capsys.readouterr().out)["steps"]["find_bad_pixels"]
    summary = {row["run"]: row for row in shown["tables"]["summary"]}
    assert list(summary) == [*RUNS, "all"]
    assert summary["all"]["n_images"] == 42
    pixels = shown["tables"]["pixels"]
    assert {row["reason"] for row in pixels} >= {"hot"}
    mask = store.arrays("find_bad_pixels")["mask"]
    known = np.stack([store.mask(run) for run in RUNS])
    assert (known & ~mask).sum() == 3 * len(pixels)
    np.testing.assert_array_equal(np.load(file), mask[0])
    lines = [m for m in store.messages("find_bad_pixels") if m.startswith("mask: ")]
    places = {tuple(map(int, line.split()[1:3])) for line in lines}
    assert places == {tuple(p) for p in np.argwhere(known[0] & ~mask[0]).tolist()}
    dxdask.apply_mask(store, mask="find_bad_pixels", show=dxdask.quiet)
    np.testing.assert_array_equal(store.mask(RUNS[1]), mask[1])
    # what is masked is not found again
    dxdask.find_bad_pixels(store, show=dxdask.quiet)
    assert not len(store.table("find_bad_pixels", "pixels"))


def test_runs_on_threads_and_one_by_one_are_the_same(store: Store) -> None:
    found = []
    for kind in ("threads", "synchronous"):
        dxdask.find_bad_pixels(store, cluster=kind, force=True, show=dxdask.quiet)
        found.append(store.arrays("find_bad_pixels")["mask"])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["find_bad_pixels", "fractoin=0.4"], "fraction"),
        (["find_bad_pixels", "fraction=0"], "greater than 0"),
        (["find_bad_pixels", "combine=some"], "joint"),
        (["find_bad_pixels", "find_bad_pixels.images=1,2", "image_range=1,2"], "one of them"),
        (["estimate_gain", "kernel_size=0,3"], "greater than or equal to 1"),
        (["estimate_gain", "max_images=0"], "greater than or equal to 1"),
    ],
)
def test_wrong_usage_is_refused(
    store: Store, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step, *assignments = words
    assert command([step, str(store.path), *assignments]) == 2
    assert message in capsys.readouterr().err


def test_bad_input_is_refused(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["find_bad_pixels", str(store.path), "image_range=1,99"]) == 1
    assert "is not within its images 1 to 14" in capsys.readouterr().err
    assert command(["estimate_gain", str(store.path), "kernel_size=200,200"]) == 1
    assert "smaller kernel_size" in capsys.readouterr().err
