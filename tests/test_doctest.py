"""The examples in docstrings run, and every module can be imported by its name."""

from __future__ import annotations

import doctest
import importlib
import shutil
import tomllib
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest
from support.paths import ROOT

import dxdask
from dxdask.pipeline.step_functions import StepFunction
from dxdask.pipeline.steps import names
from dxdask.storage.store.store import Store

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
MODULES = sorted(
    m.name
    for p in PACKAGES
    for m in iter_modules(importlib.import_module(p).__path__, p + ".")
    if not m.name.endswith("__main__")
)
STEPS = [name for name in names() if isinstance(getattr(dxdask, name), StepFunction)]
SWEEPS = ("tiny.zarr", "frames/")
STILLS = ("events.zarr", "events.nxs")


def uses(module: ModuleType, files: tuple[str, ...]) -> bool:
    """Return True if examples of a module open one of these files."""
    sources = (e.source for test in doctest.DocTestFinder().find(module) for e in test.examples)
    return any(file in source for source in sources for file in files)


def put_files(request: pytest.FixtureRequest, folder: Path, *, sweeps: bool, stills: bool) -> None:
    """Put the stores and frames that examples open into their folder."""
    if sweeps:
        store: Store = request.getfixturevalue("processed")
        first: Path = request.getfixturevalue("raw")[0]
        shutil.copytree(store.path, folder / "tiny.zarr")
        shutil.copytree(first.parents[1], folder / "frames")
    if stills:
        store = request.getfixturevalue("stills_store")
        shutil.copytree(store.path.parent, folder, dirs_exist_ok=True, copy_function=shutil.copy2)


@pytest.mark.parametrize("name", ["dxdask", *MODULES])
def test_doctest(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(name)
    put_files(request, tmp_path, sweeps=uses(module, SWEEPS), stills=uses(module, STILLS))
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", STEPS)
def test_doctest_of_step(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = str(getattr(dxdask, name).__doc__)
    put_files(request, tmp_path, sweeps="tiny.zarr" in text, stills="events.zarr" in text)
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
