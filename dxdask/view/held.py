"""Values that several threads ask for, made once each, of which the last used are held."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


def _one(_value: object) -> int:
    return 1


class Held(Generic[Value]):
    """Values by key, the last used ones up to a total size; safe to use from several threads.

    Parameters
    ----------
    size : total of all values, of which at least one is held.
    size_of : the size of a value; by default 1, so that `size` is their number.
    """

    def __init__(self, size: float, size_of: Callable[[Value], int] = _one) -> None:
        self._size, self._size_of, self._total = size, size_of, 0
        self._values: OrderedDict[Hashable, Future[Value]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of this key, made where it is not held.

        A thread that asks for a value that another one is making waits for it. An error of `make`
        is raised in all of them, and the next one who asks tries again.
        """
        with self._lock:
            found = self._values.get(key)
            mine = Future[Value]() if found is None else None
            if mine is not None:
                self._values[key] = mine
            else:
                self._values.move_to_end(key)
        if found is not None:
            return found.result()
        assert mine is not None
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._values[key]
            mine.set_exception(error)
            raise
        mine.set_result(value)
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: Value) -> None:
        """Count a value that was made, and drop those that were used longest ago."""
        with self._lock:
            self._total += self._size_of(value)
            for old in list(self._values):
                if self._total <= self._size:
                    break
                held = self._values[old]
                # a value that is still being made is counted when it is there
                if old != key and held.done():
                    self._total -= self._size_of(held.result())
                    del self._values[old]
