"""Kernels are compiled again when a function that they call has changed in another file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.ensemble_example import python

from dxdask.cluster.stale_kernels import RECORD, remove_stale_kernels

FILES = {
    "__init__.py": "",
    "inner.py": "from numba import njit\n\n\n@njit(cache=True)\ndef inner(x):\n    return x + 1\n",
    "through.py": "from kernels.inner import (\n    inner,\n)\n\n__all__ = ['inner']\n",
    "outer.py": "from numba import njit\n\nfrom kernels import through\n\n"
    "inner = through.inner\n\n\n@njit(cache=True)\ndef outer(x):\n    return 2 * inner(x)\n",
    "apart.py": "from numba import njit\n\n\n@njit(cache=True)\ndef apart(x):\n    return x\n",
}
CALL = "from kernels.outer import outer; from kernels.apart import apart; apart(1); print(outer(1))"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return the folder of a package whose kernels have been compiled and kept."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    remove_stale_kernels({"kernels": folder})
    assert computed(folder) == "4"
    return folder


def computed(folder: Path) -> str:
    """Return what the kernels compute in a process of their own."""
    environment = {"PYTHONPATH": str(folder.parent), "NUMBA_CACHE_DIR": ""}
    return python(CALL, **environment).stdout.strip()


def change(path: Path) -> None:
    path.write_text(path.read_text().replace("x + 1", "x + 100"))
    os.utime(path, (1e9, 1e9))  # older than the kernels, as a copy with its times is


@pytest.mark.jit
def test_a_kernel_that_calls_a_changed_function_is_compiled_again(package: Path) -> None:
    change(package / "inner.py")
    assert computed(package) == "4"  # what numba itself keeps to
    assert remove_stale_kernels({"kernels": package}) == 4
    assert computed(package) == "202"
    assert remove_stale_kernels({"kernels": package}) == 0


@pytest.mark.jit
def test_other_kernels_are_kept(package: Path) -> None:
    change(package / "inner.py")
    remove_stale_kernels({"kernels": package})
    left = {k.name.split(".")[0] for k in (package / "__pycache__").glob("*.nb?")}
    assert left == {"apart"}


@pytest.mark.jit
def test_kernels_of_a_package_without_a_list_are_compiled_again(package: Path) -> None:
    (package / RECORD).unlink()
    remove_stale_kernels({"kernels": package})
    assert not list((package / "__pycache__").glob("*.nb?"))


@pytest.mark.jit
def test_a_damaged_list_counts_as_none(package: Path) -> None:
    (package / RECORD).write_text("nonsense")
    assert remove_stale_kernels({"kernels": package}) == 6


@pytest.mark.jit
def test_a_package_seen_at_another_place_keeps_its_kernels(package: Path, tmp_path: Path) -> None:
    (tmp_path / "mounted").symlink_to(tmp_path)
    assert remove_stale_kernels({"kernels": tmp_path / "mounted" / "kernels"}) == 0
    assert len(list((package / "__pycache__").glob("*.nb?"))) == 6
