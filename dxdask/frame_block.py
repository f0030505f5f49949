"""Frames in memory, some of which could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Reasons: TypeAlias = Mapping[int, str]
"""Index of a frame in its block -> the reason why it could not be read."""

NONE: Reasons = MappingProxyType({})


class FrameBlock(np.ndarray):
    """Frames (frame, slow, fast), zeros where one could not be read; otherwise an array as any.

    A slice along the first axis keeps the reasons of its frames. Whatever else is made of a block
    has none: a kernel takes them first, by `unreadable_frames`.

    Attributes
    ----------
    unreadable : index in the block -> reason.
    """

    unreadable: Reasons

    def __new__(cls, frames: NDArray[Any], unreadable: Reasons = NONE) -> FrameBlock:
        """Return a block that shares the memory of `frames`."""
        block = np.asarray(frames).view(cls)
        block.unreadable = dict(unreadable)
        return block

    def __array_finalize__(self, made_of: Any) -> None:
        self.unreadable = NONE

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        first = key[0] if isinstance(key, tuple) and key else key
        if self.unreadable and isinstance(found, FrameBlock) and isinstance(first, slice):
            taken = enumerate(range(len(self))[first])
            found.unreadable = {i: self.unreadable[k] for i, k in taken if k in self.unreadable}
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return FrameBlock, (np.asarray(self), dict(self.unreadable))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


def unreadable_frames(frames: NDArray[Any]) -> Reasons:
    """Return the reasons why frames of a block could not be read; a plain array has none."""
    return frames.unreadable if isinstance(frames, FrameBlock) else NONE


def invalid_pixel_value(dtype: np.dtype[Any]) -> float:
    """Return the value of pixels that could not be read: the largest integer, or NaN."""
    return np.iinfo(dtype).max if dtype.kind in "iu" else np.nan
