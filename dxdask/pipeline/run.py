"""Run a plan: compute its graph on a cluster, and show each step as it becomes complete."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from dask.base import tokenize

from dxdask.cluster.client import Cluster
from dxdask.pipeline.declaration import NotDone
from dxdask.pipeline.memory import require_memory
from dxdask.pipeline.plan import Plan
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

Show = Callable[[Store, str], None]
POLL_SECONDS = 0.3


def run_plan(store: Store, plan: Plan, cluster: Cluster, show: Show, label: str) -> None:
    """Compute and commit every step of the plan; `show` is called once for each, in order.

    Raises
    ------
    MemoryBudgetError
        A block of the frames that a step reads does not fit a worker; nothing is computed.
    LinkedFileError
        A file that a step would read frames from is not as it was at the import; likewise.
    """
    for name, (frames, bytes_a_pixel) in plan.reads.items():
        for reader in {tokenize(f.reader): f.reader for f in frames}.values():
            reader.require_files()
        require_memory(cluster, name, [f.array() for f in frames], bytes_a_pixel)
    for name in plan.found:
        log.info("%s: is in the store with the same inputs and parameters, not run again", name)
    watcher = StoreWatcher(store, plan, show)
    with watcher:
        done = cluster.compute(plan.tasks, label=label, counter=plan.counter)
    for result in done:
        if isinstance(result, NotDone):
            log.warning("%s is left out: %s", result.step, result.reason)


class StoreWatcher:
    """Calls `show(store, step)` when a step of the plan has been committed, wherever that was."""

    def __init__(self, store: Store, plan: Plan, show: Show) -> None:
        self._store, self._show = store, show
        self._waiting = {n: plan.fingerprints[n] for n in plan.commits}
        self._found: Sequence[str] = plan.found
        self._begun = {n: self._version(n) for n in self._waiting}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="store-watcher", daemon=True)

    def __enter__(self) -> StoreWatcher:
        for name in self._found:
            self._show(self._store, name)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        # an error of `show` here (a closed pipe) is raised again in __exit__, where it is handled
        with suppress(Exception):
            while not self._stop.is_set():
                self._look()
                self._stop.wait(POLL_SECONDS)

    def _look(self) -> None:
        for name, fingerprint in list(self._waiting.items()):
            if not self._store.has_step(name, fingerprint):
                continue
            if self._version(name) != self._begun[name]:
                self._show(self._store, name)
                del self._waiting[name]

    def _version(self, name: str) -> Any:
        return self._store.step_attributes(name)["id"] if self._store.has_step(name) else None
