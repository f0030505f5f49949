"""Memory for blocks of frames, used again by the next block of the same process.

Fresh memory is written twice: the system clears every page before it is used. For frames of some
MB that takes longer than to unpack them.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray


class FrameBuffers:
    """Memory of blocks that are gone: at most of as many as were in use at a time.

    As an entry of a graph it lasts as long as the tasks that read, and idle memory with it. It is
    sent and stored empty.
    """

    def __init__(self) -> None:
        self._idle: deque[NDArray[np.uint8]] = deque()

    def __reduce__(self) -> tuple[type[FrameBuffers], tuple[()]]:
        return FrameBuffers, ()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array, not cleared, whose memory comes back here when the array and all views
        of it are gone.
        """
        n_bytes = math.prod(shape) * dtype.itemsize
        memory = self._idle.pop() if self._idle else None
        if memory is None or memory.size < n_bytes:
            memory = None  # or both would be in memory for a moment
            memory = np.empty(n_bytes, np.uint8)
        lease = _Lease(memory)
        weakref.finalize(lease, self._idle.append, memory).atexit = False
        return np.asarray(lease)[:n_bytes].view(dtype).reshape(shape)


class _Lease:
    """Memory in use. It is no array itself, for a view of an array may refer to that one's base in
    place of it: so all views refer to the lease.
    """

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.__array_interface__ = memory.__array_interface__
