"""Workers outside this process: local ones, jobs of a queue, or those of an address."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask
from dask.delayed import Delayed
from dask.utils import format_bytes
from distributed import Client, LocalCluster
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from dxdask.cluster import jobqueue
from dxdask.cluster.client import Cluster
from dxdask.cluster.configuration import site_configuration
from dxdask.cluster.jobs import Jobs
from dxdask.cluster.limits import (
    NUMBA,
    available_cores,
    available_memory,
    memory_in_bytes,
)
from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.cluster.plugin import OneThreadPlugin, telling
from dxdask.cluster.progress import client_progress, scheduler_counts
from dxdask.cluster.security import open_security
from dxdask.cluster.tally import Tallied, Tally
from dxdask.errors import ClusterError

BYTES_A_PROCESS = 2 * 10**9
POLL_SECONDS = 0.25
CHECK_SECONDS = 10.0
_LOST = (
    "{label}: the scheduler is lost ({error}); start it again and repeat the command: "
    "steps that are complete are not run again"
)


@contextmanager
def open_workers(p: ClusterParameters, kind: str) -> Iterator[Cluster]:
    """Open "local", "address", "file" or a queue; see `open_cluster`."""
    if kind == "local":
        with _local(p) as cluster:
            yield cluster
    elif kind == "address":
        with _address(p) as cluster:
            yield cluster
    else:
        with site_configuration(p, kind) as queue, _queue(p, queue) as cluster:
            yield cluster


def compute_on_workers(
    cluster: Cluster,
    client: Client,
    tasks: list[Delayed],
    label: str,
    tally: Tally | None = None,
) -> list[Any]:
    """Compute with a client; see `Cluster.compute`."""
    tallied = Tallied(tally, label)
    with telling(client, tallied):
        return _compute(cluster, client, tasks, label, tallied)


def _compute(
    cluster: Cluster, client: Client, tasks: list[Delayed], label: str, tallied: Tallied
) -> list[Any]:
    before = _counts(client, label)
    futures = client.compute(tasks)  # type: ignore[no-untyped-call]
    try:
        _wait(cluster, client, futures, label, before, tallied)
        return list(client.gather(futures))  # type: ignore[no-untyped-call]
    except KilledWorker as error:
        raise ClusterError(
            f"{label}: the task {error.task} has ended {error.allowed_failures + 1} workers; "
            "most often their memory is too small: give more cluster.memory, fewer "
            "cluster.processes, or fewer images a block; the workers' logs say more"
        ) from error
    except FutureCancelledError as error:
        raise ClusterError(_LOST.format(label=label, error=error)) from error
    finally:
        # Those done are let go with `futures`; to cancel them breaks the scheduler's books.
        waiting = [f for f in futures if not f.done()]
        if waiting and client.status == "running":
            client.cancel(waiting)  # type: ignore[no-untyped-call]


def _wait(
    cluster: Cluster,
    client: Client,
    futures: list[Any],
    label: str,
    before: Mapping[str, Any],
    tallied: Tallied,
) -> None:
    """Wait for all, or the first error; keep the queue filled, and give up without workers."""
    last_worker = last_check = time.monotonic()
    with client_progress(label, before, tallied=tallied) as show:
        while not all(f.done() for f in futures):
            if any(f.status in ("error", "cancelled", "lost") for f in futures):
                return
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            counts = _counts(client, label)
            if counts["workers"]:
                last_worker = now
            elif now - last_worker > cluster.timeout:
                raise ClusterError(_no_worker(cluster))
            show(counts)
            if cluster.queue is not None and now - last_check > CHECK_SECONDS:
                cluster.queue.replace_lost(client)
                last_check = now


def _no_worker(cluster: Cluster) -> str:
    if cluster.queue is not None:
        return jobqueue.explain_no_worker(cluster.kind, cluster.timeout)
    return (
        f"no worker is left of {cluster.description}, and none has come within "
        f"{cluster.timeout:.0f} s; start some (`dask worker ADDRESS`), and see the logs of those "
        "that ended"
    )


def _counts(client: Client, label: str) -> dict[str, Any]:
    try:
        return dict(client.run_on_scheduler(scheduler_counts))  # type: ignore[no-untyped-call]
    except (OSError, CommClosedError) as error:
        raise ClusterError(_LOST.format(label=label, error=error)) from error


@contextmanager
def _local(p: ClusterParameters) -> Iterator[Cluster]:
    cores = p.cores or available_cores()
    memory = memory_in_bytes(p.memory) if p.memory else available_memory()
    processes = p.processes or max(1, min(cores, memory // BYTES_A_PROCESS))
    threads = max(1, cores // processes)
    with dask.config.set(_failures(p)):
        try:
            cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=processes,
                threads_per_worker=threads,
                processes=True,
                memory_limit=memory // processes,
                host="127.0.0.1",
                dashboard_address=p.dashboard or LOOPBACK,
                scheduler_kwargs={"dashboard": bool(p.dashboard)},
                local_directory=p.local_directory,
                env=NUMBA,  # those of LIBRARIES they have from this process
                silence_logs=logging.ERROR,
            )
        except (OSError, RuntimeError) as error:
            raise ClusterError(
                f"cluster=local: {processes} processes cannot be started: {error}; "
                "give fewer cluster.processes, or use cluster=threads"
            ) from error
        with cluster, _connect(cluster, p.timeout) as client:
            yield Cluster(
                kind="local",
                description=f"{processes} processes of {threads} threads on this machine, "
                f"{format_bytes(memory // processes)} each",
                threads=threads,
                worker_bytes=memory // processes,
                client=client,
                dashboard=_dashboard(client, p),
                timeout=p.timeout,
            )


@contextmanager
def _address(p: ClusterParameters) -> Iterator[Cluster]:
    with _connect(p.kind, min(p.timeout, 30.0)) as client:
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
    jobs = p.jobs or 1
    with dask.config.set(_failures(p)), open_security(p, kind) as security:
        queue = jobqueue.start(kind, p, security)
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
                dashboard=_dashboard(client, p),
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


def _dashboard(client: Client, p: ClusterParameters) -> str | None:
    return (client.dashboard_link or None) if p.dashboard else None


def _failures(p: ClusterParameters) -> dict[str, int]:
    return {} if p.retries is None else {"distributed.scheduler.allowed-failures": p.retries}
