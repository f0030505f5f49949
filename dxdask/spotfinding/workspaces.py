"""Thresholds and memory to find spots in, handed from each task to the next of its run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from dxdask.spotfinding.panel_pixels import PanelPixels

Panels = tuple[PanelPixels, ...]
T = TypeVar("T")


class Workspace:
    """Arrays that tasks of a run make once and work in; of one task at a time."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def panels(self, dtype: np.dtype[Any], make: Callable[[np.dtype[Any]], Panels]) -> Panels:
        """Return the panels, with their thresholds, for frames of `dtype`; see `kept`."""
        return self.kept(("panels", dtype), lambda: make(dtype))

    def kept(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return the object of this name, made at the first call.

        It may hold memory to work in: no two tasks have it at once.
        """
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found


class Workspaces:
    """The idle workspaces of a run in this process: at most as many as tasks have run at a time.

    As an entry of a graph it lasts as long as the tasks that take it, and the memory with it. What
    is sent or stored is an empty one.
    """

    def __init__(self) -> None:
        self._idle: deque[Workspace] = deque()

    def __reduce__(self) -> tuple[type[Workspaces], tuple[()]]:
        return Workspaces, ()

    @contextmanager
    def lend(self) -> Iterator[Workspace]:
        """Give a workspace to a task, which must keep nothing of it; it is lost on an error."""
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = Workspace()
        yield workspace
        self._idle.append(workspace)
