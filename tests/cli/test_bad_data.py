"""Data that cannot be processed: a clear line, status 1, and what was found before is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
from support.cli_failures import Captured, fails, one_line
from support.ensemble_example import QUICK, words

from dxdask.cli.main import run
from dxdask.storage.store.store import Store


def blank(file: Path, folder: Path, value: int = 1) -> Path:
    """Copy a run and make every frame the same."""
    copy = Path(shutil.copy(file, folder / file.name))
    with h5py.File(copy, "r+") as f:
        data = f["/entry/data/data"]
        assert isinstance(data, h5py.Dataset)
        data[...] = np.full(data.shape, value, data.dtype)
    return copy


def test_frames_without_spots(raw: list[Path], tmp_path: Path, capsys: Captured) -> None:
    file, path = blank(raw[0], tmp_path), tmp_path / "a.zarr"
    status, message = fails(capsys, "process", file, "-o", path, *words(QUICK))
    assert status == 1
    assert "spot" in one_line(message)
    store = Store.open(path)
    assert store.runs == ("tiny_1",)
    assert store.has_step("find_spots")
    assert len(store.columns("find_spots")["x"]) == 0
    assert not store.has_step("index")
    assert (
        one_line(message).removeprefix("dxdask: ").strip() in path.with_suffix(".log").read_text()
    )
    assert run(["show", str(path)]) == 0


def test_frames_without_a_trusted_pixel(raw: list[Path], tmp_path: Path, capsys: Captured) -> None:
    file, path = blank(raw[0], tmp_path, value=65535), tmp_path / "a.zarr"
    status, message = fails(capsys, "process", file, "-o", path, *words(QUICK))
    assert status == 1
    assert "none of 14 images could be used" in one_line(message)
    assert "every pixel is masked" in message
    assert "find_spots" not in Store.open(path).show()["steps"]


def test_one_blank_run_among_others_gives_advice(
    raw: list[Path], tmp_path: Path, capsys: Captured
) -> None:
    file, path = blank(raw[0], tmp_path), tmp_path / "a.zarr"
    status, message = fails(capsys, "process", file, *raw[1:], "-o", path, *words(QUICK))
    assert status == 1
    # refinement goes on with the models that runs share; the blank one has no profile
    assert "run tiny_1 has 0 indexed strong spots" in one_line(message)
    assert "integration.profile.sigma_b" in message
    assert Store.open(path).has_step("find_spots")
