"""Worker plugins: one thread for each library, and counts of tasks sent to the client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, WorkerPlugin
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dxdask.cluster.running_counts import RunningCounts, TaskCounter


class OneThreadPlugin(WorkerPlugin):
    """Limits BLAS and OpenMP to one thread, for workers that were started with other limits."""

    name = "dxdask-one-thread"

    def setup(self, worker: object) -> None:
        """Set the limits in the process of a worker."""
        threadpool_limits(limits=1)


class TaskCounterPlugin(WorkerPlugin):
    """Sends the counts of each finished task from its worker to the client, as an event.

    counter: the tasks to count. topic: of the events.
    """

    name = "dxdask-task-counter"

    def __init__(self, counter: TaskCounter, topic: str) -> None:
        self._counter, self._topic = counter, topic

    def setup(self, worker: Any) -> None:
        """Keep the worker, whose memory holds the results."""
        self._worker = worker

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Send the counts of a task that is done."""
        if start != "executing" or finish != "memory" or not self._counter.matches(key):
            return
        counts = self._counter.counts_of(key, self._worker.data.get(key))
        if counts is not None:
            self._worker.log_event(self._topic, {"key": str(key), "counts": dict(counts)})


@contextmanager
def forward_counts(client: Client, running: RunningCounts) -> Iterator[None]:
    """Add the counts of the workers' tasks to `running`, inside the context."""
    if running.counter is None:
        yield
        return
    topic = f"{TaskCounterPlugin.name}-{uuid.uuid4().hex[:8]}"

    def on_event(event: Any) -> None:
        running.add(event[1]["key"], event[1]["counts"])

    client.subscribe_topic(topic, on_event)  # type: ignore[no-untyped-call]
    client.register_plugin(TaskCounterPlugin(running.counter, topic), name=topic)
    try:
        yield
    finally:
        if client.status == "running":
            client.unregister_worker_plugin(topic)  # type: ignore[no-untyped-call]
            client.unsubscribe_topic(topic)  # type: ignore[no-untyped-call]
