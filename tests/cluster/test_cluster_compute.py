"""Computing on threads, local processes and a scheduler that others have started."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import numba
import numpy as np
import pytest
from dask.delayed import Delayed
from distributed import LocalCluster
from threadpoolctl import threadpool_info

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.cluster.limits import available_cores
from dxdask.cluster.parameters import ClusterParameters
from dxdask.cluster.progress import bar, client_progress, thread_progress
from dxdask.cluster.terminal_line import ERASE, above_it
from dxdask.errors import ClusterError, InputError, MemoryBudgetError


def lazy_sums(n: int) -> list[Delayed]:
    return [dask.delayed(sum)([i, dask.delayed(abs)(-i)]) for i in range(n)]


def refuse(i: int) -> int:
    raise InputError(f"row {i} is bad")


def end_worker() -> None:
    os._exit(3)


def end_worker_once(marker: str) -> str:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "done"
    os._exit(3)


def threads_of_blas() -> int:
    np.ones((4, 4)) @ np.ones((4, 4))
    return max(int(p["num_threads"]) for p in threadpool_info() if p["user_api"] == "blas")


def threads_of_libraries() -> tuple[int, int]:
    return threads_of_blas(), int(numba.get_num_threads())


@pytest.fixture(scope="module")
def local() -> Iterator[Cluster]:
    with open_cluster(
        ClusterParameters(kind="local", processes=2, cores=2, memory="2GB", retries=0)
    ) as cluster:
        yield cluster


@pytest.mark.parametrize("kind", ["threads", "synchronous"])
def test_here(kind: str) -> None:
    with open_cluster(ClusterParameters(kind=kind)) as cluster:
        assert cluster.compute(lazy_sums(5), label="sums") == [0, 2, 4, 6, 8]
        assert cluster.compute([], label="nothing") == []
        assert "this process" in cluster.description
        assert cluster.dashboard is None
        with pytest.raises(InputError, match="row 3"):
            cluster.compute([dask.delayed(refuse)(3)])


def test_threads_are_as_many_as_given() -> None:
    with open_cluster(ClusterParameters(cores=3)) as cluster:
        assert cluster.threads == 3
        assert "3 threads" in cluster.description
        with pytest.raises(MemoryBudgetError, match="merge"):
            cluster.require_memory("merge", 10**15)


@pytest.mark.parametrize("kind", ["threads", "synchronous"])
def test_libraries_run_one_thread_and_are_set_back(kind: str) -> None:
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    before = os.environ.get("OMP_NUM_THREADS"), threads_of_libraries()
    with open_cluster(ClusterParameters(kind=kind)) as cluster:
        tasks = [dask.delayed(threads_of_libraries)() for _ in range(3)]
        assert cluster.compute(tasks) == [(1, 1)] * 3
    assert (os.environ.get("OMP_NUM_THREADS"), threads_of_libraries()) == before


def fresh(code: str, **environment: str) -> str:
    """Return the output of a new process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ON_THREADS = """
import dask, numba
from dxdask.cluster.client import open_cluster

def work():
    compiled = numba.njit(lambda x: x + 1)
    return compiled(2), numba.get_num_threads()

if __name__ == "__main__":
    BEFORE
    with open_cluster() as cluster:
        print(cluster.threads, *cluster.compute([dask.delayed(work)()]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_as_many_threads_as_this_process_may_use_cores() -> None:
    core = min(os.sched_getaffinity(0))
    one = ON_THREADS.replace("BEFORE", f"import os; os.sched_setaffinity(0, {{{core}}})")
    assert fresh(one) == "1 (3, 1)"
    with open_cluster() as cluster:
        assert cluster.threads == available_cores() <= len(os.sched_getaffinity(0))


def test_numba_threads_that_run_already_do_no_harm() -> None:
    launched = ON_THREADS.replace("BEFORE", "numba.set_num_threads(2)")
    assert fresh(launched, NUMBA_NUM_THREADS="2").endswith("(3, 1)")


def test_local_processes(local: Cluster) -> None:
    assert local.compute(lazy_sums(20), label="sums") == list(range(0, 40, 2))
    assert "2 processes of 1 threads" in local.description
    assert local.worker_bytes == 10**9
    assert local.dashboard is not None
    assert local.dashboard.startswith("http://127.0.0.1:")
    assert local.client is not None
    for address in local.client.scheduler_info(n_workers=-1)["workers"]:
        assert address.startswith("tcp://127.0.0.1:")
    assert local.compute([dask.delayed(threads_of_libraries)()]) == [(1, 1)]


def test_errors_of_tasks_arrive_as_they_are(local: Cluster) -> None:
    with pytest.raises(InputError, match="row 7"):
        local.compute([*lazy_sums(3), dask.delayed(refuse)(7)])
    assert local.compute(lazy_sums(2)) == [0, 2]


def test_a_worker_that_dies_is_an_error_with_advice(local: Cluster) -> None:
    with pytest.raises(ClusterError, match=r"has ended 1 workers.*cluster\.memory"):
        local.compute([dask.delayed(end_worker)()], label="find_spots")
    assert local.compute(lazy_sums(2)) == [0, 2]


def test_a_task_is_tried_again_when_its_worker_dies(tmp_path: Path) -> None:
    patient = ClusterParameters(
        kind="local", processes=1, cores=1, memory="1GB", dashboard=None, retries=1
    )
    with open_cluster(patient) as cluster:
        assert cluster.dashboard is None
        task = dask.delayed(end_worker_once)(str(tmp_path / "died"))
        assert cluster.compute([task], label="find_spots") == ["done"]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    # here, as workers import this file for its functions, and do not find what lies beside it
    from support.dask_here import running_scheduler

    # without what a local cluster that is open sets
    own = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    with running_scheduler(tmp_path, environment=own) as address:
        yield address


def test_a_scheduler_that_others_started(scheduler: str) -> None:
    with open_cluster(ClusterParameters(kind=scheduler)) as cluster:
        assert cluster.compute(lazy_sums(20), label="sums") == list(range(0, 40, 2))
        assert scheduler in cluster.description
        assert cluster.compute([dask.delayed(threads_of_blas)()]) == [1]


def test_no_scheduler_is_an_error_with_advice() -> None:
    unreachable = ClusterParameters(kind="tcp://127.0.0.1:9", timeout=1.0)
    with pytest.raises(ClusterError, match="no scheduler answers"), open_cluster(unreachable):
        pytest.fail("must not open")


def test_a_scheduler_without_workers_is_an_error_with_advice() -> None:
    with LocalCluster(
        n_workers=0,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as empty:
        lonely = ClusterParameters(kind=empty.scheduler_address, timeout=1.0)
        with (
            open_cluster(lonely) as cluster,
            pytest.raises(ClusterError, match=r"start some \(`dask worker ADDRESS`\)"),
        ):
            cluster.compute(lazy_sums(1), label="sums")


def test_a_bar_in_a_terminal_and_nothing_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with thread_progress("sums"):
        dask.compute(*lazy_sums(3), scheduler="synchronous")
    assert capfd.readouterr() == ("", "")
    screen = io.StringIO()
    with bar("sums", screen) as show:
        time.sleep(0.2)
        show(3, 12, "find_spots")
    assert "3/12" in screen.getvalue()
    assert "find_spots" in screen.getvalue()
    assert screen.getvalue().endswith(ERASE)
    assert "\n" not in screen.getvalue()
    screen = io.StringIO()
    with client_progress("sums", {"done": 5, "total": 5}, screen) as update:
        time.sleep(0.2)
        update({"done": 6, "total": 9, "doing": [], "workers": 0})
    assert "1/4" in screen.getvalue()
    assert "waiting for workers" in screen.getvalue()


def test_lines_are_printed_above_the_bar(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stdout)  # one terminal has both
    with bar("sums", sys.stdout) as show:
        show(1, 2, "adding")
        with above_it():
            sys.stdout.write("a line\n")
    assert [line.split(ERASE)[-1] for line in capfd.readouterr().out.split("\n")] == ["a line", ""]


def test_where_the_work_is_done_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, logger="dxdask.cluster"),
        open_cluster(ClusterParameters(cores=3)),
    ):
        assert "running on 3 threads of this process" in caplog.text
