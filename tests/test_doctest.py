"""The examples in docstrings run, and every module can be imported by its name."""

from __future__ import annotations

import doctest
import importlib
import tomllib
from pkgutil import iter_modules

import pytest
from support.paths import ROOT

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
MODULES = sorted(
    m.name
    for p in PACKAGES
    for m in iter_modules(importlib.import_module(p).__path__, p + ".")
    if not m.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_doctest(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
