"""Tables of steps, held while the step's result is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from dxdask.storage.store.store import Store
from dxdask.view.held import Held

Table = dict[str, NDArray[Any]]
HELD = 16


class Tables:
    """Columns and arrays of runs, the last used; safe to use from several threads.

    Attributes
    ----------
    derived : what is made of them for one run, the last only, as it may be large; by `key_of`.
    """

    def __init__(self) -> None:
        self._tables: Held[Table] = Held(HELD)
        self.derived: Held[Any] = Held(1)

    def columns(self, store: Store, step: str, run: str, names: Sequence[str]) -> Table | None:
        """Return those columns of a run that a step has; None where it has no result of the run."""
        if not has_result(store, step, run):
            return None
        there = [n for n in names if n in store.manifest(step).columns]
        return self._get(store, step, run, there, store.columns)

    def arrays(self, store: Store, step: str, run: str, names: Sequence[str]) -> Table:
        """Return those arrays of a run that a step has; none where it has no result of the run."""
        if not has_result(store, step, run):
            return {}
        there = [n for n in names if n in store.manifest(step).arrays]
        return self._get(store, step, run, there, store.arrays) if there else {}

    def _get(self, store: Store, step: str, run: str, names: Sequence[str], read: Any) -> Table:
        key = (*key_of(store, step, run), read.__name__, *names)
        return self._tables.get(key, lambda: read(step, names, run=run))


def key_of(store: Store, step: str, run: str) -> tuple[str, str]:
    """Return what a step's result of a run is known by."""
    return str(store.step_attributes(step)["id"]), run


def has_result(store: Store, step: str, run: str) -> bool:
    """Return True if a step has a result of a run."""
    return store.has_step(step) and run in store.manifest(step).runs
