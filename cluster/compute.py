"""Computation of a graph by the workers of a cluster: progress, lost workers, errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from dask.delayed import Delayed
from distributed import Client
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from dxdask.cluster import jobqueue
from dxdask.cluster.client import Cluster
from dxdask.cluster.imports import modules_of, require_modules
from dxdask.cluster.plugin import forward_counts
from dxdask.cluster.progress import client_progress, scheduler_counts
from dxdask.cluster.running_counts import RunningCounts, TaskCounter
from dxdask.errors import ClusterError

POLL_SECONDS = 0.25
CHECK_SECONDS = 10.0
_LOST = (
    "{label}: the scheduler is lost ({error}); start it again and repeat the command: "
    "steps that are complete are not run again"
)

Counts = Mapping[str, Any]


def compute_on_workers(
    cluster: Cluster,
    client: Client,
    tasks: list[Delayed],
    label: str,
    counter: TaskCounter | None = None,
) -> list[Any]:
    """Return the values of tasks in order, computed with a client; see `Cluster.compute`."""
    running = RunningCounts(counter, label)
    before = _counts(client, label)
    with client_progress(label, before, running=running) as show:
        # Tasks are sent when there are workers that can import what the tasks need.
        _wait(cluster, client, label, show, lambda counts: bool(counts["workers"]))
        modules = modules_of(tasks)
        require_modules(client, modules, label)
        with forward_counts(client, running):
            try:
                return _compute(cluster, client, tasks, label, show)
            except KilledWorker as error:
                require_modules(client, modules, label)  # of workers that have joined since
                raise ClusterError(
                    f"{label}: the task {error.task} has ended {error.allowed_failures + 1} "
                    "workers; most often their memory is too small: give more cluster.memory, "
                    "fewer cluster.processes, or fewer images a block; the workers' logs say more"
                ) from error
            except FutureCancelledError as error:
                raise ClusterError(_LOST.format(label=label, error=error)) from error


def _compute(
    cluster: Cluster,
    client: Client,
    tasks: list[Delayed],
    label: str,
    show: Callable[[Counts], None],
) -> list[Any]:
    futures = client.compute(tasks)  # type: ignore[no-untyped-call]

    def is_over(_: Counts) -> bool:
        failed = any(f.status in ("error", "cancelled", "lost") for f in futures)
        return failed or all(f.done() for f in futures)

    try:
        _wait(cluster, client, label, show, is_over)
        return list(client.gather(futures))  # type: ignore[no-untyped-call]
    finally:
        # Those done are released with `futures`; to cancel them breaks the scheduler's records.
        waiting = [f for f in futures if not f.done()]
        if waiting and client.status == "running":
            client.cancel(waiting)  # type: ignore[no-untyped-call]


def _wait(
    cluster: Cluster,
    client: Client,
    label: str,
    show: Callable[[Counts], None],
    is_over: Callable[[Counts], bool],
) -> None:
    """Poll until `is_over(counts)`; keep the queue filled, and give up without workers."""
    last_worker = last_check = time.monotonic()
    while not is_over(counts := _counts(client, label)):
        show(counts)
        now = time.monotonic()
        if counts["workers"]:
            last_worker = now
        elif now - last_worker > cluster.timeout:
            raise ClusterError(_no_worker(cluster))
        if cluster.queue is not None and now - last_check > CHECK_SECONDS:
            cluster.queue.replace_lost(client)
            last_check = now
        time.sleep(POLL_SECONDS)


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
