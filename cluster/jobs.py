"""Jobs of one cluster: submitted, monitored, and replaced when they are lost."""

from __future__ import annotations

import logging
from typing import Any

from distributed import Client
from distributed.core import Status

from dxdask.errors import ClusterError

log = logging.getLogger("dxdask.cluster")


class Jobs:
    """Keeps a number of jobs in a queue.

    queue: a cluster of dask-jobqueue. n_jobs: number to keep. kind: of the queue, for messages.
    """

    def __init__(self, queue: Any, n_jobs: int, kind: str) -> None:
        self._queue, self._n_jobs, self._kind = queue, n_jobs, kind
        self._seen: set[str] = set()

    def submit(self) -> None:
        """Submit jobs until there are as many as asked for.

        Raises
        ------
        ClusterError
            The queue refuses a job.
        """
        try:
            self._queue.sync(self._fill)
        except (RuntimeError, OSError, ValueError) as error:
            text = " ".join(str(error).split())
            raise ClusterError(
                f"cluster={self._kind}: the queue has refused a job: {text}; look at the job "
                "script that is submitted, and change cluster.queue, .account, .memory or .walltime"
            ) from error

    def replace_lost(self, client: Client) -> None:
        """Submit jobs in place of those that ended at their wall time, or with their node.

        A job is lost when it has had workers and none is left; one that waits in the queue is not.

        Raises
        ------
        ClusterError
            The queue refuses a job, and no worker is left.
        """
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        alive = {_job_of(str(w["name"]), self._queue.worker_spec) for w in workers}
        lost = [name for name in self._queue.workers if name in self._seen - alive]
        self._seen = (self._seen | alive) - set(lost)
        if lost:
            log.warning("%d of %d jobs are lost, and replaced", len(lost), self._n_jobs)
            self._queue.sync(self._forget, lost)
        try:
            self.submit()
        except ClusterError as error:
            if not workers:
                raise
            log.warning("going on with %d workers: %s", len(workers), error)

    async def _forget(self, names: list[str]) -> None:
        for name in names:
            job = self._queue.workers.pop(name, None)
            self._queue.worker_spec.pop(name, None)
            if job is not None:
                await job.close()

    async def _fill(self) -> None:
        """Scale as `queue.scale(jobs=n)` does, but raise errors of submission."""
        queue = self._queue
        while len(queue.worker_spec) < self._n_jobs:
            queue.worker_spec.update(queue.new_worker_spec())
        try:
            await queue._correct_state()
        except Exception:
            for name, job in list(queue.workers.items()):
                if job.status == Status.created:
                    job.status = Status.failed
                    del queue.workers[name], queue.worker_spec[name]
            raise


def _job_of(worker: str, jobs: Any) -> str:
    """Return the job of a worker: the name of the worker, or its part before the process number."""
    return worker if worker in jobs else worker.rpartition("-")[0]
