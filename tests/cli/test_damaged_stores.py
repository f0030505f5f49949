"""Damaged stores: the error says what to do, and doing so renews what was damaged."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.cli_failures import Captured, fails, one_line

from dxdask.cli.main import run
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


@pytest.fixture
def copy(processed: Store, tmp_path: Path) -> Path:
    """Return a copy of the processed store that may be written to."""
    return Path(shutil.copytree(processed.path, tmp_path / "s.zarr"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def do_as_told(message: str) -> None:
    """Delete what a message says, and run its command."""
    delete = re.search(r"delete (\S+) and", message)
    if delete is not None:
        shutil.rmtree(delete.group(1))
    command = re.search(r"run.*: dxdask (.*)", message)
    if command is not None:
        assert run(shlex.split(command.group(1))) == 0


@pytest.mark.parametrize("damage", ["column", "chunk", "manifest", "models"])
def test_a_damaged_result_is_renewed_by_the_command_of_the_message(
    copy: Path, damage: str, capsys: Captured
) -> None:
    folder = copy / "results" / "main" / "refine"
    n_before = Store.open(copy).manifest("refine").n_reflections
    if damage == "column":
        shutil.rmtree(folder / "runs" / "tiny_1" / "x_cal")
    elif damage == "chunk":
        truncate(folder / "runs" / "tiny_1" / "hkl" / "c" / "0" / "0")
    elif damage == "manifest":
        truncate(folder / "zarr.json")
    else:
        truncate(folder / "models" / "zarr.json")
    status, message = fails(capsys, "integrate", copy, "force=true")
    assert status == 1
    assert f"dxdask refine {copy}" in one_line(message)
    do_as_told(one_line(message))
    assert Store.open(copy).manifest("refine").n_reflections == n_before
    assert run(["integrate", str(copy), "force=true"]) == 0


@pytest.mark.parametrize("damage", ["mask", "frames", "metadata"])
def test_a_damaged_run_is_imported_again_and_results_stay(
    copy: Path, damage: str, raw: list[Path], capsys: Captured
) -> None:
    folder = copy / "runs" / "tiny_2"
    if damage == "metadata":
        truncate(folder / "zarr.json")
    else:
        shutil.rmtree(folder / damage)
    status, message = fails(capsys, "find_spots", copy, "force=true")
    assert status == 1
    assert f"delete {folder} and import its files again into this store" in one_line(message)
    do_as_told(one_line(message))
    assert run(["import", *map(str, raw), "-o", str(copy)]) == 0
    store = Store.open(copy)
    assert store.has_step("merge")
    assert not stale_steps(store)
    assert run(["find_spots", str(copy), "force=true"]) == 0


def test_show_says_what_is_missing(copy: Path, capsys: Captured) -> None:
    shutil.rmtree(copy / "runs" / "tiny_2" / "frames")
    status, message = fails(capsys, "show", copy)
    assert status == 1
    assert "import its files again into this store" in one_line(message)
