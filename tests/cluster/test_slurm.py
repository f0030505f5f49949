"""A real Slurm on this machine: jobs are submitted, computed on, lost and replaced."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client

from dxdask.cluster import compute
from dxdask.cluster.client import open_cluster
from dxdask.cluster.parameters import ClusterParameters
from dxdask.errors import ClusterError

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def small_jobs(folder: Path, **values: object) -> ClusterParameters:
    # here, as jobs import this file for its functions, and do not find what lies beside it
    from support.slurm_here import jobs_in

    root = Path(__file__).resolve().parents[2]  # jobs import nothing from the folder they start in
    prologue = {"job_script_prologue": [f"export PYTHONPATH={root}"]}
    return ClusterParameters.model_validate({**jobs_in(folder), **prologue, **values})


def where(i: int) -> tuple[int, str]:
    time.sleep(0.3)
    return i, os.environ["SLURM_JOB_ID"]


def page_host(dask_worker: Any = None, dask_scheduler: Any = None) -> str:
    return str((dask_worker or dask_scheduler).http_server.address)


def queued() -> list[str]:
    done = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_two_jobs_compute_and_end(slurm: Path) -> None:
    tasks = [dask.delayed(where)(i) for i in range(40)]
    with open_cluster(small_jobs(slurm, queue="tests")) as cluster:
        assert cluster.description == "2 slurm jobs of 1 cores and 0.93 GiB"
        results = cluster.compute(tasks, label="find_spots")
        assert [i for i, _ in results] == list(range(40))
        assert len({job for _, job in results}) == 2
    for _ in range(50):
        if not queued():
            break
        time.sleep(0.2)
    assert queued() == []


@pytest.mark.parametrize("security", ["tls", "none"])
def test_workers_and_scheduler_use_the_given_protocol(slurm: Path, security: str) -> None:
    given = small_jobs(slurm, jobs=1, security=security, dashboard="127.0.0.1:0")
    with open_cluster(given) as cluster:
        assert cluster.compute([dask.delayed(abs)(-3)]) == [3]
        client = cluster.client
        assert client is not None
        protocol = {"tls": "tls://", "none": "tcp://"}[security]
        assert client.scheduler.address.startswith(protocol)
        [worker] = client.scheduler_info(n_workers=-1)["workers"]
        assert worker.startswith(protocol)
        assert cluster.dashboard is not None
        assert cluster.dashboard.startswith("http://127.0.0.1:")
        assert client.run_on_scheduler(page_host) == "127.0.0.1"
        assert list(client.run(page_host).values()) == ["127.0.0.1"]
        keys = list(slurm.glob(".dxdask-keys-*"))
        assert len(keys) == (security == "tls")
        if keys:
            plain = client.scheduler.address.replace("tls://", "tcp://")
            with pytest.raises(OSError):
                Client(plain, timeout=1, set_as_default=False)
    assert list(slurm.glob(".dxdask-keys-*")) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_job_that_is_lost_is_replaced(
    slurm: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "CHECK_SECONDS", 0.5)
    with open_cluster(small_jobs(slurm, jobs=1, cores=2, processes=processes)) as cluster:
        tasks = [dask.delayed(where)(i) for i in range(8)]
        [first] = {job for _, job in cluster.compute(tasks)}
        subprocess.run(["scancel", first], check=True)
        [(_, second)] = cluster.compute([dask.delayed(where)(9)], label="integrate")
        assert second != first


def test_refusals_of_the_queue_are_reported(slurm: Path) -> None:
    with (
        pytest.raises(ClusterError, match="refused a job"),
        open_cluster(small_jobs(slurm, queue="nowhere")),
    ):
        pytest.fail("must not open")


def test_no_worker_in_time_is_an_error_with_advice(slurm: Path) -> None:
    # More memory than any node has stays in the queue, or is refused at once.
    busy = small_jobs(slurm, jobs=1, timeout=3, job_extra_directives=["--begin=now+1hour"])
    with open_cluster(busy) as cluster, pytest.raises(ClusterError, match="squeue --me"):
        cluster.compute([dask.delayed(where)(0)], label="index")
