"""Every folder with code is in the distribution, and each top one keeps its name to itself."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from support.paths import ROOT

TOP = ("graphs", "storage", "cluster")


def test_every_package_is_listed() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    on_disk = set()
    for top in ("dxdask", *TOP):
        for init in (ROOT / top).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            on_disk.add(dotted if top == "dxdask" else f"dxdask.{dotted}")
    assert on_disk == set(config["packages"])
    assert {f"dxdask.{t}": t for t in TOP}.items() <= config["package-dir"].items()


@pytest.mark.parametrize("name", TOP)
def test_no_second_copy_of_a_module(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"import dxdask.{name}" in done.stderr
