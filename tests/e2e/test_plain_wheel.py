"""The wheel in a fresh environment, used from the root of the clone it was built from.

The clone's folder dxdask/ has none of the packages that are mapped into the installed one, so that
a process which puts the current folder first on its path imports half a package.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ensemble_example import QUICK, assert_same, words
from support.paths import ROOT
from support.slurm_here import jobs_in

from dxdask.storage.store.store import Store

pytestmark = pytest.mark.slow

EXTRA = ("bokeh", "cryptography", "dask_jobqueue")


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds the wheel, not the folder it was built from."""

    folder: Path

    def install(self, requirement: str) -> None:
        uv("pip", "install", "--python", self.python, "-c", ROOT / "constraints.txt", requirement)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def dxdask(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the command in the root of the clone."""
        command = [str(self.folder / "bin" / "dxdask"), *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False
        )


def uv(*arguments: object) -> None:
    command = [Path(sys.executable).with_name("uv"), *map(str, arguments), "--quiet"]
    subprocess.run(command, check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--out-dir", folder, ROOT)  # by way of the source distribution
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("plain") / "venv")
    uv("venv", "--python", sys.executable, environment.folder)
    environment.install(str(wheel))
    return environment


def given(cluster: dict[str, Any]) -> list[str]:
    """Return the parameters of a cluster as on a command line."""
    others = {f"cluster.{name}": value for name, value in cluster.items() if name != "kind"}
    return words({"cluster": cluster["kind"], **others})


def test_a_plain_install_has_none_of_the_extra_and_computes_on_local_processes(
    plain: Environment, raw: list[Path], processed: Store, tmp_path: Path
) -> None:
    code = f"from importlib.util import find_spec; print([n for n in {EXTRA} if find_spec(n)])"
    found = subprocess.run(
        [plain.python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
    path = tmp_path / "a.zarr"
    local = given({"kind": "local", "processes": 2, "cores": 2})
    done = plain.dxdask("process", *raw, "-o", path, *words(QUICK), *local)
    assert done.returncode == 0, done.stderr
    assert_same(processed, Store.open(path))
    done = plain.dxdask("export", path, f"output={tmp_path / 'merged.mtz'}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("cluster", "needed"),
    [
        ({"kind": "lsf"}, "cluster=lsf needs dask-jobqueue"),
        (
            {"kind": "local", "dashboard": "127.0.0.1:8787"},
            "cluster.dashboard=127.0.0.1:8787 needs bokeh",
        ),
    ],
)
def test_commands_that_need_the_extra_name_it(
    plain: Environment, raw: list[Path], tmp_path: Path, cluster: dict[str, Any], needed: str
) -> None:
    done = plain.dxdask("process", *raw, "-o", tmp_path / "a.zarr", *given(cluster))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    expected = f"{needed}, which a plain install leaves out: pip install 'dxdask[cluster]'"
    assert line == f"dxdask: {expected}"


@pytest.mark.slurm
def test_with_the_extra_it_computes_on_slurm(
    plain: Environment,
    wheel: Path,
    slurm: Path,
    raw: list[Path],
    processed: Store,
    tmp_path: Path,
) -> None:
    plain.install(f"dxdask[cluster] @ {wheel.as_uri()}")
    path = tmp_path / "a.zarr"
    done = plain.dxdask("process", *raw, "-o", path, *words(QUICK), *given(jobs_in(slurm)))
    assert done.returncode == 0, done.stderr
    assert_same(processed, Store.open(path))
