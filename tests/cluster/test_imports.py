"""Modules that workers import: those of the installed package, or an error that names them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client
from support.dask_here import N_WORKERS, running_scheduler

from dxdask.cluster.client import open_cluster
from dxdask.cluster.imports import modules_of
from dxdask.cluster.parameters import ClusterParameters
from dxdask.errors import ClusterError, plain


def nested() -> Callable[[int], int]:
    return lambda i: i + 1


def double(values: Any) -> Any:
    return 2 * values


def test_modules_of_functions_and_classes() -> None:
    tasks = [dask.delayed(plain)(ValueError("x")), dask.delayed(abs)(-1)]
    assert "dxdask.errors" in modules_of(tasks)
    assert __name__ not in modules_of(tasks)
    assert __name__ not in modules_of([dask.delayed(nested())(3)])


def test_modules_of_mapped_blocks() -> None:
    blocks = da.ones((8, 4), chunks=(2, 4)).map_blocks(double, dtype=np.float64).to_delayed()
    assert __name__ in modules_of([dask.delayed(sum)(list(blocks.ravel()))])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder whose dxdask/ lacks modules of the one that is installed."""
    folder = tmp_path / "clone"
    (folder / "dxdask").mkdir(parents=True)
    (folder / "dxdask" / "__init__.py").touch()
    (folder / "dxdask" / "cluster.py").touch()  # no package, where the installed one is one
    return folder


def test_a_worker_without_the_package_is_named(clone: Path, tmp_path: Path) -> None:
    with running_scheduler(tmp_path, current=clone) as address:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(N_WORKERS, timeout=60)
        with (
            pytest.raises(ClusterError) as raised,
            open_cluster(ClusterParameters(kind=address)),
        ):
            pytest.fail("must not open")
    text = str(raised.value)
    assert "cannot import dxdask.cluster.plugin" in text
    assert "No module named 'dxdask.cluster.plugin'" in text
    assert str(clone / "dxdask" / "__init__.py") in text
    assert "memory" not in text


def test_a_module_of_the_user_s_that_workers_lack_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    with (
        running_scheduler(tmp_path, environment=environment) as address,
        open_cluster(ClusterParameters(kind=address)) as cluster,
    ):
        with pytest.raises(ClusterError, match=f"find_spots: .* cannot import {__name__} "):
            cluster.compute([dask.delayed(double)(2)], label="find_spots")
        assert cluster.compute([dask.delayed(nested())(2)]) == [3]


LOCAL = """
import dask
from dxdask.cluster.client import open_cluster
from dxdask.cluster.parameters import ClusterParameters
from dxdask.errors import plain

if __name__ == "__main__":
    p = ClusterParameters(kind="local", processes=1, cores=1, memory="1GB", dashboard=None)
    with open_cluster(p) as cluster:
        print(*cluster.compute([dask.delayed(plain)(ValueError("fine"))]))
"""


def test_local_processes_are_not_shadowed_by_the_current_folder(
    clone: Path, tmp_path: Path
) -> None:
    (clone / "random.py").write_text("raise RuntimeError('of the current folder')\n")
    (tmp_path / "program").mkdir()
    program = tmp_path / "program" / "main.py"
    program.write_text(LOCAL)
    done = subprocess.run(
        [sys.executable, program], cwd=clone, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ValueError: fine"
