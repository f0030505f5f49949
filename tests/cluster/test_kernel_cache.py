"""A folder for compiled kernels, also where there is no home."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from support.ensemble_example import python

from dxdask.cluster import kernel_cache
from dxdask.cluster.kernel_cache import VARIABLE, kernel_folder, provide_kernel_folder

NO_TREE = "UserProvidedCacheLocator,UserWideCacheLocator"


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for temporary files of an environment without a home for kernels."""
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    # restored at the end, whatever is set meanwhile
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("NUMBA_CACHE_LOCATOR_CLASSES", NO_TREE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_of_the_user_is_taken(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere")
    provide_kernel_folder()
    assert os.environ[VARIABLE] == "/nowhere"
    assert not kernel_cache.is_temporary()


def test_one_is_provided_for_this_user_alone(homeless: Path) -> None:
    assert kernel_folder() is None
    provide_kernel_folder()
    folder = Path(os.environ[VARIABLE])
    assert folder.parent == homeless
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert kernel_cache.is_temporary()
    assert not kernel_cache.are_kernels_compiled()
    (folder / "f_1").mkdir()
    (folder / "f_1" / "f.nbi").write_text("")
    assert kernel_cache.are_kernels_compiled()
    os.environ[VARIABLE] = ""
    provide_kernel_folder()
    assert os.environ[VARIABLE] == str(folder)  # the same again: kernels are compiled once


def test_a_folder_that_others_can_write_is_not_used(homeless: Path) -> None:
    user = os.getuid()
    (homeless / f"dxdask-kernels-{user}").mkdir()
    (homeless / f"dxdask-kernels-{user}").chmod(0o777)
    provide_kernel_folder()
    assert os.environ[VARIABLE] != str(homeless / f"dxdask-kernels-{user}")
    assert Path(os.environ[VARIABLE]).parent == homeless


def test_the_sources_are_the_first_choice(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_LOCATOR_CLASSES")
    monkeypatch.setattr(kernel_cache, "sources", lambda: homeless)
    assert kernel_folder() == homeless


def test_a_kernel_runs_without_a_home(tmp_path: Path) -> None:
    code = """
import numpy as np
from dxdask.spotfinding.thresholds import rings
from dxdask.cluster.kernel_cache import kernel_folder
print(kernel_folder())
"""
    done = python(
        code, HOME="/dev/null", NUMBA_CACHE_LOCATOR_CLASSES=NO_TREE, TMPDIR=str(tmp_path),
        NUMBA_CACHE_DIR="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path
