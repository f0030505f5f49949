"""Workers outside this process: local ones, jobs of a queue, or those of an address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from dask.utils import format_bytes
from distributed import Client, LocalCluster

from dxdask.cluster import jobqueue
from dxdask.cluster.client import Cluster
from dxdask.cluster.configuration import site_configuration
from dxdask.cluster.environment import NUMBA, SAFE_PATH, environment
from dxdask.cluster.extra import dashboard_address, require_extra
from dxdask.cluster.imports import require_modules
from dxdask.cluster.jobs import Jobs
from dxdask.cluster.limits import available_cores, available_memory, memory_in_bytes
from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.cluster.plugin import OneThreadPlugin
from dxdask.cluster.security import open_security
from dxdask.errors import ClusterError

BYTES_A_PROCESS = 2 * 10**9


@contextmanager
def open_workers(p: ClusterParameters, kind: str) -> Iterator[Cluster]:
    """Yield a cluster of the kind "local", "address", "file" or a queue; see `open_cluster`."""
    if kind == "local":
        with _local(p) as cluster:
            yield cluster
    elif kind == "address":
        with _address(p) as cluster:
            yield cluster
    else:
        with site_configuration(p, kind) as queue, _queue(p, queue) as cluster:
            yield cluster


@contextmanager
def _local(p: ClusterParameters) -> Iterator[Cluster]:
    cores = p.cores or available_cores()
    memory = memory_in_bytes(p.memory) if p.memory else available_memory()
    processes = p.processes or max(1, min(cores, memory // BYTES_A_PROCESS))
    threads, each = max(1, cores // processes), memory // processes
    page = dashboard_address(p)
    # until the end, as a worker that has ended is started anew
    with dask.config.set(_failures(p)), environment(SAFE_PATH):
        cluster = _local_cluster(p, processes, threads, each, page)
        with cluster, _connect(cluster, p.timeout) as client:
            yield Cluster(
                kind="local",
                description=f"{processes} processes of {threads} threads on this machine, "
                f"{format_bytes(each)} each",
                threads=threads,
                worker_bytes=each,
                client=client,
                dashboard=_dashboard(client, page),
                timeout=p.timeout,
            )


def _local_cluster(
    p: ClusterParameters, processes: int, threads: int, each: int, page: str | None
) -> LocalCluster:
    try:
        return LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=processes,
            threads_per_worker=threads,
            processes=True,
            memory_limit=each,
            host="127.0.0.1",
            dashboard_address=page or LOOPBACK,
            scheduler_kwargs={"dashboard": page is not None},
            local_directory=p.local_directory,
            env=NUMBA,  # those of LIBRARIES they have from this process
            silence_logs=logging.ERROR,
        )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"cluster=local: {processes} processes cannot be started: {error}; "
            "give fewer cluster.processes, or use cluster=threads"
        ) from error


@contextmanager
def _address(p: ClusterParameters) -> Iterator[Cluster]:
    with _connect(p.kind, min(p.timeout, 30.0)) as client:
        require_modules(client, [OneThreadPlugin.__module__], f"cluster={p.kind}")
        client.register_plugin(OneThreadPlugin())
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = max((w["nthreads"] for w in workers), default=1)
        limits = [w["memory_limit"] for w in workers if w["memory_limit"]]
        yield Cluster(
            kind="address",
            description=f"{len(workers)} workers of the scheduler {p.kind}",
            threads=threads,
            worker_bytes=min(limits, default=available_memory()),
            client=client,
            dashboard=client.dashboard_link or None,
            timeout=p.timeout,
        )


@contextmanager
def _queue(p: ClusterParameters, kind: str) -> Iterator[Cluster]:
    require_extra("dask_jobqueue", f"cluster={kind}")
    jobs, page = p.jobs or 1, dashboard_address(p)
    with dask.config.set(_failures(p)), open_security(p, kind) as security:
        queue = jobqueue.start(kind, p, security, page)
        with queue, _connect(queue, p.timeout) as client:
            submitted = Jobs(queue, jobs, kind)
            submitted.submit()
            job = queue._dummy_job
            yield Cluster(
                kind=kind,
                description=f"{jobs} {kind} jobs of {job.worker_cores} cores and "
                f"{format_bytes(job.worker_memory)}",
                threads=job.worker_process_threads,
                worker_bytes=int(job.worker_memory / job.worker_processes),
                client=client,
                dashboard=_dashboard(client, page),
                timeout=p.timeout,
                queue=submitted,
            )


@contextmanager
def _connect(where: Any, timeout: float) -> Iterator[Client]:
    try:
        client = Client(where, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {where}: {error}; look whether it runs and can be reached "
            "from here (`dask scheduler` starts one)"
        ) from error
    with client:
        yield client


def _dashboard(client: Client, page: str | None) -> str | None:
    return (client.dashboard_link or None) if page else None


def _failures(p: ClusterParameters) -> dict[str, int]:
    return {} if p.retries is None else {"distributed.scheduler.allowed-failures": p.retries}
