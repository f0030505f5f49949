"""Formats of another package, found by its entry points: imported, linked and processed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support.ensemble_example import assert_same, python
from support.ensemble_example import dxdask as command
from support.paths import ROOT
from support.raw_examples import write_smv

import dxdask
from dxdask.errors import FormatError, SchemaError
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store

PACKAGE = ROOT / "tests" / "support" / "format_package"
PATH = os.pathsep.join([str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="module")
def folder(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first run of `raw` in two foreign formats, and stores of it, spots found."""
    folder = tmp_path_factory.mktemp("plug_in")
    sys.path.insert(0, str(PACKAGE))
    try:
        from frame_stacks.deflated import write_deflated
        from frame_stacks.stack import write_stack
    finally:
        sys.path.remove(str(PACKAGE))
    [run] = read_runs(raw[0])
    write_stack(folder / f"{run.name}.stack", run)
    (folder / "images").mkdir()
    write_deflated(folder / "images", run)
    done = python(
        f"""
import dxdask
for files, name in (({run.name!r} + ".stack", "stack"), ("images", "deflated")):
    for link in (False, True):
        path = f"{{name}}_{{'linked' if link else 'copied'}}.zarr"
        store = dxdask.import_(f"{folder}/{{files}}", f"{folder}/{{path}}", link=link)
        dxdask.find_spots(store, show=dxdask.quiet)
""",
        PYTHONPATH=PATH,
    )
    assert done.returncode == 0, done.stderr
    store = dxdask.import_(raw[0], folder / "nxmx.zarr")
    dxdask.find_spots(store, show=dxdask.quiet)
    return folder


@pytest.mark.parametrize("way", ["copied", "linked"])
def test_spots_are_those_of_the_same_frames_in_nxmx(folder: Path, way: str) -> None:
    store, nxmx = Store.open(folder / f"stack_{way}.zarr"), Store.open(folder / "nxmx.zarr")
    assert len(store.columns("find_spots")["x"]) > 100
    assert_same(store, nxmx, ["find_spots"])


def test_images_one_in_a_file_are_one_run(folder: Path) -> None:
    copied = Store.open(folder / "deflated_copied.zarr")
    frames = Store.open(folder / "nxmx.zarr").frames("tiny_1").compute()
    assert copied.runs == ("image",)
    np.testing.assert_array_equal(copied.frames("image").compute(), frames)
    assert_same(copied, Store.open(folder / "deflated_linked.zarr"), ["find_spots"])


@pytest.mark.parametrize("name", ["stack", "deflated"])
def test_linked_frames_need_the_package(folder: Path, name: str) -> None:
    run = Store.open(folder / f"{name}_copied.zarr").runs[0]
    frames = folder / f"{name}_linked.zarr" / "runs" / run / "frames"
    [shard] = json.loads((frames / "zarr.json").read_text())["codecs"]
    assert shard["configuration"]["codecs"][0]["configuration"]["format"] == name
    assert sum(f.stat().st_size for f in frames.rglob("*") if f.is_file()) < 20_000
    with pytest.raises(
        SchemaError, match=rf"'{name}' is not installed \(cbf, dials, events, mtz, nxmx, smv"
    ):
        Store.open(folder / f"{name}_linked.zarr").frames(run)


def test_the_more_specific_format_reads_a_file(tmp_path: Path) -> None:
    counts = np.zeros((8, 10), np.uint16)
    write_smv(tmp_path / "plain_1.img", counts, OSC_RANGE=0.0)
    write_smv(tmp_path / "plain_2.img", counts, OSC_RANGE=0.0, BEAMLINE="HALVED")
    done = python(
        f"""
from dxdask.storage.importers import read_runs
for run in read_runs("{tmp_path}"):
    print(run.reader.format.name, run.experiment.detector[0].origin[2])
""",
        PYTHONPATH=PATH,
    )
    assert done.stdout.splitlines() == ["smv -100.0", "halved_smv -50.0"], done.stderr
    assert [r.experiment.detector[0].origin[2] for r in read_runs(tmp_path)] == [-100.0]


def test_an_unknown_file_lists_the_formats(folder: Path, tmp_path: Path) -> None:
    file = folder / "tiny_1.stack"
    ours = r"is of no known format.* are: nxmx: .*; cbf: .*; events: .*; smv: "
    with pytest.raises(FormatError, match=ours):
        read_runs(file)
    (tmp_path / "a.txt").write_text("nothing")
    environment = {**os.environ, "PYTHONPATH": PATH}
    done = command("import", tmp_path / "a.txt", "-o", tmp_path / "s.zarr", env=environment)
    assert done.returncode == 1
    assert "stack: a stack of frames, which begins with STACK1" in done.stderr
    assert "smv: SMV, a text header" in done.stderr
    assert "'broken' (frame_stacks.missing:Missing) cannot be loaded" in done.stderr
