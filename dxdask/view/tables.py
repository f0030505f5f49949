"""Tables of steps, held while the step's result is the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from dxdask.storage.store.store import Store

Table = dict[str, NDArray[Any]]
HELD = 16


class Tables:
    """Columns and arrays of runs, the last used; safe to use from several threads."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[str, ...], Table] = OrderedDict()
        self._lock = Lock()

    def columns(self, store: Store, step: str, run: str, names: Sequence[str]) -> Table | None:
        """Return those columns of a run that a step has; None where it has no result of the run."""
        if not has_result(store, step, run):
            return None
        there = [n for n in names if n in store.manifest(step).columns]
        return self._held(store, step, run, there, store.columns)

    def arrays(self, store: Store, step: str, run: str, names: Sequence[str]) -> Table:
        """Return those arrays of a run that a step has; none where it has no result of the run."""
        if not has_result(store, step, run):
            return {}
        there = [n for n in names if n in store.manifest(step).arrays]
        return self._held(store, step, run, there, store.arrays) if there else {}

    def _held(self, store: Store, step: str, run: str, names: Sequence[str], read: Any) -> Table:
        key = (str(store.step_attributes(step)["id"]), run, read.__name__, *names)
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
                return self._tables[key]
        table: Table = read(step, names, run=run)
        with self._lock:
            self._tables[key] = table
            while len(self._tables) > HELD:
                self._tables.popitem(last=False)
        return table


def has_result(store: Store, step: str, run: str) -> bool:
    """Return True if a step has a result of a run."""
    return store.has_step(step) and run in store.manifest(step).runs
