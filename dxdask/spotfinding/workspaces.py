"""What one task needs to find spots, above all memory, handed from each to the next of its run.

Fresh memory is written twice: the system clears every page before it is used. For frames of some
MB that takes longer than to unpack them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dxdask.spotfinding.panel_pixels import PanelPixels

Panels = tuple[PanelPixels, ...]
T = TypeVar("T")


class Workspace:
    """Room for a block of frames, and what tasks of a run make once; of one task at a time."""

    def __init__(self) -> None:
        self._room = np.empty(0, np.uint8)
        self._kept: dict[Hashable, Any] = {}

    def frames(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return room for frames, not cleared: the same for each block, if it is large enough."""
        n_bytes = math.prod(shape) * dtype.itemsize
        if self._room.size < n_bytes:
            self._room = np.empty(0, np.uint8)  # or both would be in memory for a moment
            self._room = np.empty(n_bytes, np.uint8)
        return self._room[:n_bytes].view(dtype).reshape(shape)

    def panels(self, dtype: np.dtype[Any], make: Callable[[np.dtype[Any]], Panels]) -> Panels:
        """Return the panels, with their thresholds, for frames of `dtype`; see `kept`."""
        return self.kept(("panels", dtype), lambda: make(dtype))

    def kept(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what goes by this name, made by the first who asks for it.

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
