"""Frames as steps get them: lazy arrays of a reader that marks what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
from dask.base import tokenize
from dask.callbacks import Callback
from dask.utils import ensure_dict
from numpy.typing import NDArray
from support.store_examples import new_store, write_run

from dxdask.storage.frames.lazy import lazy_frames

if TYPE_CHECKING:
    import dask.array as da


@dataclass(frozen=True)
class MemoryReader:
    """A reader of frames (n, slow, fast) in memory; those numbered in `bad` cannot be read."""

    frames: NDArray[Any]
    bad: tuple[int, ...] = ()
    step = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        n, slow, fast = self.frames.shape
        return n, slow, fast

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.frames.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        if any(first <= i < last for i in self.bad):
            raise ValueError("truncated chunk")
        return self.frames[first:last].copy()

    def require_files(self) -> None:
        """Do nothing."""

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("memory", tokenize(self.frames.shape, self.frames[:1], self.bad))


def marked(frames: NDArray[Any], block: int, bad: tuple[int, ...] = ()) -> da.Array:
    """Return frames in memory as an array of marked blocks."""
    return lazy_frames(MemoryReader(frames, bad), block, unreadable="mark")


def stored(folder: Path, frames: NDArray[Any], block: int, bad: Sequence[int] = ()) -> da.Array:
    """Return the frames of a store made in `folder`, of which some files are damaged."""
    store = new_store(folder)
    write_run(store, "run1", frames)
    for i in bad:
        file = store.path / "runs" / "run1" / "frames" / "c" / str(i) / "0" / "0"
        file.write_bytes(file.read_bytes()[:-3])
    return lazy_frames(store.frame_reader("run1"), block, unreadable="mark")


class Results(Callback):
    """Keeps what each task returned."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Any] = []

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        self.values.append(result)

    @property
    def frames(self) -> list[Any]:
        """The results that are frames."""
        arrays = [r for r in self.values if isinstance(r, np.ndarray) and r.ndim == 3]
        return [a for a in arrays if a.dtype != object]


def n_tasks(lazy: Any) -> int:
    """Return the number of tasks of a lazy object once it is optimised."""
    (graph,) = dask.optimize(lazy)
    return len(ensure_dict(graph.dask))


def refuse(*_: Any, **__: Any) -> Any:
    """Fail, as the scheduler of what must not be computed."""
    raise RuntimeError("computed while building")
