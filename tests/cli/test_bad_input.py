"""Errors of commands: a clear line on stderr, the right exit status, and nothing lost."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from support import raw_examples
from support.cli_failures import Captured, fails, one_line
from support.ensemble_example import QUICK, RUNS, STEPS, dxdask, words, write_frames

from dxdask.cli.main import run
from dxdask.storage.store.store import Store


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Path:
    shutil.copytree(processed.path, tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["find_spots", "S", "min_spot_sise=3"], "did you mean spotfinder.filter.min_spot_size"),
        (["find_spots", "S", "indexing.method=fft1d"], "unknown parameter 'indexing.method'"),
        (["find_spots", "S", "min_spot_size=three"], "spotfinder.filter.min_spot_size"),
        (["find_spots", "S", "min_spot_size"], "takes one store"),
        (["import", "a.nxs", "image_per_chunk=3"], "did you mean images_per_chunk"),
        (["find_spots", "S", "=3"], "write NAME=VALUE"),
        (["find_spots"], "takes one store (NAME.zarr), got none"),
        (["find_spots", "S", "cluster=cloud"], "cluster=cloud is not known"),
        (["find_spots", "S", "cluster.jobs=2"], "has no use for cluster.jobs"),
        (["process", "S"], "takes files"),
        (["show"], "takes a store"),
        (["show", "S", "a=b"], "takes a store and steps"),
        (["simulate", "S"], "takes parameters and -o FOLDER"),
        (["integrate", "S", "algorithm=x"], "ambiguous"),
    ],
)
def test_wrong_usage_is_status_2(
    store: Path, capsys: Captured, words: list[str], expected: str
) -> None:
    given = [w.replace("S", str(store)) if w == "S" else w for w in words]
    if words == ["process", "S"]:
        given = ["process"]
    status, message = fails(capsys, *given)
    if words[0] == "integrate" and "ambiguous" not in message:
        assert "algorithm" in message
    else:
        assert expected in one_line(message)
    assert status == 2


def test_showing_a_missing_step_names_the_others(store: Path, capsys: Captured) -> None:
    status, message = fails(capsys, "show", store, "problems")
    assert status == 1
    assert "holds no result of problems; its steps are: find_spots, index, " in one_line(message)


@pytest.mark.parametrize("words", [["nosuch"], ["find_spots", "--nosuch"], ["show", "-e"]])
def test_unknown_commands_and_options(capsys: Captured, words: list[str]) -> None:
    status, message = fails(capsys, *words)
    assert status == 2
    assert "nosuch" in message or "-e" in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.yaml", "spotfinder: [", "cannot read parameters from"),
        ("a.toml", "spotfinder = ", "cannot read parameters from"),
        ("a.yaml", "- 1\n- 2\n", "holds no parameters"),
        ("a.yaml", "", "holds no parameters"),
        ("a.yaml", "spotfinder:\n  filter:\n    min_size: 3\n", "unknown parameter"),
        ("a.yaml", "!!python/object/apply:os.system ['touch owned']\n", "cannot read parameters"),
        ("a.yaml", "1: 2\n", "unknown parameter '1'"),
        ("a.yaml", "spotfinder: 3\n", "unknown parameter 'spotfinder'"),
        (None, "", "cannot read parameters from"),
    ],
)
def test_a_broken_file_of_parameters(
    store: Path, tmp_path: Path, capsys: Captured, name: str | None, content: str, expected: str
) -> None:
    file = tmp_path / (name or "none.yaml")
    if name:
        file.write_text(content)
    status, message = fails(capsys, "find_spots", store, "-p", file)
    assert status == 2
    assert expected in one_line(message)


def test_files_that_cannot_be_read(raw: list[Path], tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "a.zarr"
    status, message = fails(capsys, "import", tmp_path / "no.nxs", "-o", out)
    assert status == 1
    assert "there is no file" in one_line(message)
    assert str(tmp_path / "no.nxs") in message

    truncated = tmp_path / "short.nxs"
    truncated.write_bytes(raw[0].read_bytes()[:5000])
    status, message = fails(capsys, "import", truncated, "-o", out)
    assert status == 1
    assert "truncated" in one_line(message)

    text = tmp_path / "notes.nxs"
    text.write_text("not a file of frames")
    status, message = fails(capsys, "process", text, "-o", out)
    assert status == 1
    assert "notes.nxs" in one_line(message)

    empty = tmp_path / "empty"
    empty.mkdir()
    status, message = fails(capsys, "process", empty, "-o", out)
    assert status == 1
    assert "no images in the folder" in one_line(message)
    assert not out.exists()


def test_a_template_with_a_hole(tmp_path: Path, capsys: Captured) -> None:
    for number in (1, 2, 4):
        image = np.full((8, 8), number, np.int32)
        raw_examples.write_cbf(tmp_path / f"image_{number:04d}.cbf", image)
    template = tmp_path / "image_####.cbf"
    status, message = fails(capsys, "import", f"template={template}", "-o", tmp_path / "a.zarr")
    assert status == 1
    assert "3" in one_line(message)
    assert "image_" in message
    assert not (tmp_path / "a.zarr").exists()


def test_runs_of_different_detectors(raw: list[Path], tmp_path: Path, capsys: Captured) -> None:
    other = write_frames(
        tmp_path / "other",
        name="other",
        transmissions=(1.0,),
        scan={"n_images": 2, "oscillation": 0.8},
        detector={"module_size": (64, 32), "pixel_size": 0.9},
    )
    status, message = fails(capsys, "process", raw[0], *other, "-o", tmp_path / "a.zarr")
    assert status == 1
    assert "different detectors" in one_line(message)
    assert "tiny_1" in message
    assert "other_1" in message


def test_a_store_is_no_file_of_frames(store: Path, tmp_path: Path, capsys: Captured) -> None:
    status, message = fails(capsys, "import", store, "-o", tmp_path / "a.zarr")
    assert status == 1
    assert "is a store, not files of frames: run a step on it" in one_line(message)


def test_stores_that_cannot_be_used(
    raw: list[Path], store: Path, tmp_path: Path, capsys: Captured
) -> None:
    status, message = fails(capsys, "process", raw[0], "-o", store, *words(QUICK))
    assert status == 1
    assert "overwrite=true" in one_line(message)
    assert all(Store.open(store).has_step(step) for step in STEPS)

    status, message = fails(capsys, "import", raw[0], "-o", tmp_path / "name")
    assert status == 1
    assert "NAME.zarr" in one_line(message)

    status, message = fails(capsys, "index", tmp_path / "no.zarr")
    assert status == 1
    assert "no store at" in one_line(message)
    assert not (tmp_path / "no.log").exists()

    folder = tmp_path / "mine.zarr"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    for more in ([], ["overwrite=true"]):
        status, message = fails(capsys, "import", raw[0], "-o", folder, *more)
        assert status == 1
        assert "no dxdask store" in one_line(message)
    assert (folder / "precious").read_text() == "mine"

    metadata = json.loads((store / "zarr.json").read_text())
    metadata["attributes"]["version"] = 99
    (store / "zarr.json").write_text(json.dumps(metadata))
    for command in (["show", store], ["merge", store], ["process", raw[0], "-o", store]):
        status, message = fails(capsys, *command)
        assert status == 1
        assert "99" in one_line(message)
        assert "upgrade" in message


def test_overwrite_replaces_a_store(raw: list[Path], store: Path, capsys: Captured) -> None:
    assert run(["import", str(raw[0]), "-o", str(store), "overwrite=true"]) == 0
    capsys.readouterr()
    assert Store.open(store).runs == RUNS[:1]
    assert Store.open(store).show()["steps"] == {}


def test_two_writers(raw: list[Path], store: Path, capsys: Captured) -> None:
    lock = os.open(store / ".dxdask/locks/main/c/0.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            ["merge", store, "force=true"],
            ["process", *raw, "-o", store],
            ["import", *raw, "-o", store, "overwrite=true"],
        ):
            status, message = fails(capsys, *command)
            assert status == 1
            assert "is being written to by" in one_line(message)
        assert run(["show", str(store), "merge"]) == 0  # reading needs no lock
    finally:
        os.close(lock)
    capsys.readouterr()
    assert run(["merge", str(store)]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_cannot_be_written(raw: list[Path], capsys: Captured) -> None:
    for command in (["import"], ["process"]):
        status, message = fails(capsys, *command, raw[0], "-o", "/proc/here/a.zarr")
        assert status == 1
        assert "/proc/here" in one_line(message)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["unit_cell=50,60,70,90,90,90", "space_group=P222"], "unit_cell"),
        (["unit_cell=50,60,70,90,90,90", "space_group=I213"], "unit_cell"),
        (["space_group=P6"], "P 6"),
        (["space_group=P1x"], "P1x"),
        (["unit_cell=50,60"], "unit_cell"),
    ],
)
def test_a_symmetry_that_does_not_fit(
    store: Path, capsys: Captured, given: list[str], expected: str
) -> None:
    before = Store.open(store).step_attributes("index")["id"]
    quick = [w for w in words(QUICK) if not w.startswith("space_group")]
    _, message = fails(capsys, "index", store, *quick, *given)
    assert message.startswith("dxdask: ")
    assert expected in message
    # each likely cause, and each method that was tried, has a line
    assert all(line.startswith("  ") for line in message.splitlines()[1:])
    assert Store.open(store).step_attributes("index")["id"] == before


def test_a_step_that_is_stale(store: Path, capsys: Captured) -> None:
    assert run(["find_spots", str(store), "min_spot_size=4"]) == 0
    capsys.readouterr()
    status, message = fails(capsys, "refine", store)
    assert status == 1
    assert "was made from other input" in one_line(message)
    assert f"dxdask index {store}" in message


def test_damage_in_the_store_is_named(store: Path, capsys: Captured) -> None:
    chunk = next((store / "results/main/integrate/runs").glob("*/intensity_sum/c/0"))
    chunk.write_bytes(b"\0" * 10)
    status, message = fails(capsys, "scale", store, "force=true")
    assert status == 1
    assert "intensity_sum" in one_line(message)


def test_a_failure_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = dxdask("import", "no.nxs", "-o", "a.zarr", cwd=tmp_path)
    assert done.returncode == 1
    assert one_line(done.stderr) == (
        f"dxdask: there is no file {tmp_path}/no.nxs; "
        "check its name and whether the disk is mounted\n"
    )
