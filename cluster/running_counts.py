"""Running counts of what tasks have found, while others are still computed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dask.utils import key_split

log = logging.getLogger("dxdask")

LOG_SECONDS = 15.0

Counts = Mapping[str, int]


@dataclass(frozen=True)
class TaskCounter:
    """Counts taken from the results of some tasks; sent to the workers, so of module functions.

    Attributes
    ----------
    names : of the functions whose tasks are counted.
    count : name of the function and result of a task -> counts.
    text : sums of the counts -> the line to show.
    """

    names: tuple[str, ...]
    count: Callable[[str, Any], Counts]
    text: Callable[[Counts], str]

    def matches(self, key: Any) -> bool:
        """Return True if a task is counted."""
        return key_split(key) in self.names

    def counts_of(self, key: Any, result: Any) -> Counts | None:
        """Return the counts of a task, or None where it is not counted."""
        return self.count(key_split(key), result) if self.matches(key) else None


@dataclass
class RunningCounts:
    """Sums of counts so far, also logged at intervals; a task that is repeated counts once.

    Attributes
    ----------
    counter : the tasks to count, or None for none.
    label : name of the computation, which begins each line of the log.
    """

    counter: TaskCounter | None
    label: str
    _tasks: set[Any] = field(default_factory=set)
    _sums: Counter[str] = field(default_factory=Counter)
    _logged: float = field(default_factory=time.monotonic)

    def add(self, key: Any, counts: Counts | None) -> None:
        """Add the counts of a task, if any."""
        if counts is None or key in self._tasks:
            return
        self._tasks.add(key)
        self._sums.update(counts)
        if time.monotonic() - self._logged > LOG_SECONDS:
            self._log()

    def add_result(self, key: Any, result: Any) -> None:
        """Add the counts of a task's result."""
        if self.counter is not None:
            self.add(key, self.counter.counts_of(key, result))

    def close(self) -> None:
        """Log the final sums."""
        if self._tasks:
            self._log()

    def describe(self, doing: str) -> str:
        """Return the line of a progress bar: the sums, then the tasks that run now."""
        if self.counter is None or not self._tasks:
            return doing
        return f"{self.counter.text(self._sums)}; {doing}"

    def _log(self) -> None:
        self._logged = time.monotonic()
        if self.counter is not None:
            log.info("%s: %s", self.label, self.counter.text(self._sums))
