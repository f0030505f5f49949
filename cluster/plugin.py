"""What workers are given: one thread for each library, and an ear for what tasks find."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, WorkerPlugin
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dxdask.cluster.tally import Tallied, Tally


class OneThreadPlugin(WorkerPlugin):
    """Holds BLAS and OpenMP to one thread, as `dask worker` does where nobody asks for more."""

    name = "dxdask-one-thread"

    def setup(self, worker: object) -> None:
        """Set the limits of a worker that has joined."""
        threadpool_limits(limits=1)


class TallyPlugin(WorkerPlugin):
    """Tells the client what the tasks of a worker have found."""

    name = "dxdask-tally"

    def __init__(self, tally: Tally, topic: str) -> None:
        self._tally, self._topic = tally, topic

    def setup(self, worker: Any) -> None:
        """Remember the worker that has joined."""
        self._worker = worker

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Send the counts of a task that is done."""
        if start != "executing" or finish != "memory" or not self._tally.is_of(key):
            return
        counts = self._tally.of_task(key, self._worker.data.get(key))
        if counts is not None:
            self._worker.log_event(self._topic, {"key": str(key), "counts": dict(counts)})


@contextmanager
def telling(client: Client, tallied: Tallied) -> Iterator[None]:
    """Let the workers tell what tasks find, inside the context."""
    if tallied.tally is None:
        yield
        return
    topic = f"{TallyPlugin.name}-{uuid.uuid4().hex[:8]}"

    def hear(event: Any) -> None:
        tallied.add(event[1]["key"], event[1]["counts"])

    client.subscribe_topic(topic, hear)  # type: ignore[no-untyped-call]
    client.register_plugin(TallyPlugin(tallied.tally, topic), name=topic)
    try:
        yield
    finally:
        if client.status == "running":
            client.unregister_worker_plugin(topic)  # type: ignore[no-untyped-call]
            client.unsubscribe_topic(topic)  # type: ignore[no-untyped-call]
