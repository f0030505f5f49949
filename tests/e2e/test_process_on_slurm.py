"""`process` as jobs of a real Slurm: the same results as on threads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.ensemble_example import QUICK, assert_same, dxdask, words
from support.slurm_here import jobs_in

from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def test_process_on_slurm(slurm: Path, raw: list[Path], processed: Store, tmp_path: Path) -> None:
    given = jobs_in(slurm)
    cluster = [f"cluster={given.pop('kind')}", *(f"cluster.{k}={v}" for k, v in given.items())]
    assert "cluster.jobs=2" in cluster
    path = tmp_path / "a.zarr"
    done = dxdask("process", *raw, "-o", path, *words(QUICK), *cluster)
    assert done.returncode == 0, done.stderr
    assert_same(processed, Store.open(path))
    jobs = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
    assert jobs.stdout == ""
