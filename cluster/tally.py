"""What tasks have found so far, told while they are computed."""

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
class Tally:
    """What to count of tasks' results; it goes to the workers, so its functions are of modules.

    Attributes
    ----------
    names : of the tasks' functions. count : name and result of such a task -> counts.
    text : the sums of these -> what to show.
    """

    names: tuple[str, ...]
    count: Callable[[str, Any], Counts]
    text: Callable[[Counts], str]

    def is_of(self, key: Any) -> bool:
        """Return whether a task is one to count."""
        return key_split(key) in self.names

    def of_task(self, key: Any, result: Any) -> Counts | None:
        """Return the counts of a task, None where it is not one to count."""
        return self.count(key_split(key), result) if self.is_of(key) else None


@dataclass
class Tallied:
    """The sums so far, also as lines of the log. A task that is done again counts once."""

    tally: Tally | None
    label: str
    _tasks: set[Any] = field(default_factory=set)
    _sums: Counter[str] = field(default_factory=Counter)
    _logged: float = field(default_factory=time.monotonic)

    def add(self, key: Any, counts: Counts | None) -> None:
        """Add the counts of a task."""
        if counts is None or key in self._tasks:
            return
        self._tasks.add(key)
        self._sums.update(counts)
        if time.monotonic() - self._logged > LOG_SECONDS:
            self._log()

    def result(self, key: Any, result: Any) -> None:
        """Add what a task has given."""
        if self.tally is not None:
            self.add(key, self.tally.of_task(key, result))

    def close(self) -> None:
        """Log the sums for the last time."""
        if self._tasks:
            self._log()

    def before(self, doing: str) -> str:
        """Return what to show: the sums, and what is being done."""
        if self.tally is None or not self._tasks:
            return doing
        return f"{self.tally.text(self._sums)}; {doing}"

    def _log(self) -> None:
        self._logged = time.monotonic()
        if self.tally is not None:
            log.info("%s: %s", self.label, self.tally.text(self._sums))
