"""Clusters: threads, local processes, jobs of a queue, or the workers of an address."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask import local, threaded
from dask.base import compute
from dask.delayed import Delayed

from dxdask.cluster.environment import one_thread_a_library, one_thread_of_numba
from dxdask.cluster.limits import available_cores, available_memory, require_memory
from dxdask.cluster.parameters import HERE, ClusterParameters, kind_of
from dxdask.cluster.progress import thread_progress
from dxdask.cluster.running_counts import TaskCounter

if TYPE_CHECKING:
    from distributed import Client

    from dxdask.cluster.jobs import Jobs


log = logging.getLogger("dxdask.cluster")


@dataclass(kw_only=True)
class Cluster:
    """Threads of this process, or workers, on which graphs are computed.

    Attributes
    ----------
    kind : "threads", "local", "synchronous", "address" or a queue.
    description : one line for the user.
    threads, worker_bytes : of one worker, as far as they are known.
    client : of distributed, or None where graphs are computed in this process.
    dashboard : address of the dashboard, or None.
    timeout : longest wait for a worker, s.
    queue : the jobs that were submitted, where there is a queue.
    """

    kind: str
    description: str
    threads: int = 1
    worker_bytes: int = field(default_factory=available_memory)
    client: Client | None = None
    dashboard: str | None = None
    timeout: float = 600.0
    queue: Jobs | None = None

    def compute(
        self, tasks: Sequence[Delayed], label: str = "compute", counter: TaskCounter | None = None
    ) -> list[Any]:
        """Compute lazy objects together, show progress, and return their values in order.

        counter : the counts to show of the results of tasks while others are computed.

        Raises
        ------
        ClusterError
            Workers die, cannot be reached, or do not come.
        """
        if not tasks:
            return []
        if self.client is not None:
            from dxdask.cluster.compute import compute_on_workers

            return compute_on_workers(self, self.client, list(tasks), label, counter)
        with thread_progress(label, counter=counter):
            if self.kind == "synchronous":
                return _one_by_one(tasks)
            return _on_threads(tasks, self.threads)

    def require_memory(self, label: str, task_bytes: int) -> None:
        """Raise where tasks of so many bytes each do not fit a worker, before any is computed.

        Raises
        ------
        MemoryBudgetError
            As many tasks as a worker has threads need more than its memory.
        """
        require_memory(
            label,
            task_bytes,
            kind=self.kind,
            threads=self.threads,
            worker_bytes=self.worker_bytes,
        )


@contextmanager
def open_cluster(parameters: ClusterParameters | None = None) -> Iterator[Cluster]:
    """Yield the cluster that `parameters` describe; what was started for it is closed at the end.

    Raises
    ------
    ParameterError
        The kind is not known, or a parameter does not belong to it.
    ClusterError
        The workers or the scheduler cannot be started or reached.
    """
    p = parameters or ClusterParameters()
    kind = kind_of(p)
    with one_thread_a_library():
        if kind in HERE:
            cores = p.cores or available_cores()
            threads = 1 if kind == "synchronous" else cores
            text = f"{threads} threads" if kind == "threads" else "one after the other"
            cluster = Cluster(kind=kind, description=f"{text} of this process", threads=threads)
            log.info("running on %s", cluster.description)
            yield cluster
        else:
            # Imported here, as distributed takes a second to import and threads do not need it.
            from dxdask.cluster.workers import open_workers

            with open_workers(p, kind) as cluster:
                page = cluster.dashboard or "off"
                # an address is of use only while the command runs: the terminal has it, too
                extra = {"terminal": cluster.dashboard is not None}
                log.info("running on %s; dashboard %s", cluster.description, page, extra=extra)
                yield cluster


# Schedulers are passed as functions: for a name, Dask imports distributed to look for a client,
# which takes half a second.


def _on_threads(tasks: Sequence[Delayed], threads: int) -> list[Any]:
    with ThreadPoolExecutor(threads, initializer=one_thread_of_numba) as pool:
        return list(compute(*tasks, scheduler=threaded.get, pool=pool))  # type: ignore[no-untyped-call]


def _one_by_one(tasks: Sequence[Delayed]) -> list[Any]:
    import numba

    threads = one_thread_of_numba()
    try:
        return list(compute(*tasks, scheduler=local.get_sync))  # type: ignore[no-untyped-call]
    finally:
        numba.set_num_threads(threads)
