"""Blocks of frames against the memory of a worker, before a graph that reads them is computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dxdask.cluster.client import Cluster

if TYPE_CHECKING:
    import dask.array as da

# Thresholds, labels and strong pixels of one frame; measured: 8, and 14 with much noise.
_BYTES_A_PIXEL = 24
# Background pixels that integration gathers, and their order, whatever the size of a frame.
_BYTES_A_TASK = 100_000_000


def require_memory(
    cluster: Cluster, label: str, frames: Iterable[da.Array], bytes_a_pixel: int = _BYTES_A_PIXEL
) -> None:
    """Refuse, before it starts, work on frames (image, slow, fast) whose blocks do not fit.

    bytes_a_pixel : that the work on a frame takes.

    Raises
    ------
    MemoryBudgetError
        As many blocks as a worker takes at a time are more than it has room for.
    """
    needed = [
        frame_task_bytes(tuple(map(int, f.chunksize)), f.dtype.itemsize, bytes_a_pixel)
        for f in frames
    ]
    cluster.require_memory(label, max(needed, default=0))


def frame_task_bytes(
    block: tuple[int, ...], itemsize: int, bytes_a_pixel: int = _BYTES_A_PIXEL
) -> int:
    """Return the bytes of a task that holds a block of frames and works on one frame at a time.

    block : images, slow, fast. itemsize : bytes a pixel, counted twice, as a block that is read or
    written is in memory packed and unpacked. bytes_a_pixel : that the work on a frame takes.
    """
    images, slow, fast = block
    return slow * fast * (2 * images * itemsize + bytes_a_pixel) + _BYTES_A_TASK
