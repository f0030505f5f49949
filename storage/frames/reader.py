"""The interface of all that reads the frames of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LINK_CODEC = "dxdask_link"  # the zarr codec of frames that are not in the store


class FrameReader(Protocol):
    """Reads frames on demand; small and picklable, it opens its files where it reads."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""

    @property
    def step(self) -> int:
        """Images that lie together in a file or chunk and are best read together."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return the images `first` to `last` (not included), (last - first, slow, fast)."""

    def require_files(self) -> None:
        """Check that files outside of the store, which hold the frames, are as they were."""

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Return the identity of these frames among those of other readers."""


class FillingReader(ABC):
    """The base of readers that fill memory they are given.

    Attributes
    ----------
    path : folder of the zarr array.
    identifier : of the import that wrote it, so that dask does not mix up two versions.
    """

    __slots__ = ()

    path: str
    identifier: str

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""

    @property
    @abstractmethod
    def step(self) -> int:
        """Images that lie together in a file or chunk and are best read together."""

    @abstractmethod
    def require_files(self) -> None:
        """Check that files outside of the store, which hold the frames, are as they were."""

    @abstractmethod
    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill `out` (last - first, slow, fast), contiguous and of the dtype of the counts, with
        the images `first` to `last` (not included); what it held before may be there on an error.
        """

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return the images `first` to `last` (not included), (last - first, slow, fast).

        What `read_into` raises is raised.
        """
        out = np.empty((last - first, *self.shape[1:]), dtype=self.dtype)
        self.read_into(first, last, out)
        return out

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("dxdask-frames", self.path, self.identifier)

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return images by slices or integers, as numpy does."""
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, others = slice(None), [first, *others]
        if isinstance(first, slice):
            chosen = range(*first.indices(self.shape[0]))
            if not chosen:
                return np.empty((0, *self.shape[1:]), dtype=self.dtype)[(slice(None), *others)]
            low, high = min(chosen), max(chosen) + 1
            images = self.read(low, high)
            picked: Any = slice(None) if chosen == range(low, high) else [i - low for i in chosen]
            return np.asarray(images[picked][(slice(None), *others)])
        index = range(self.shape[0])[int(first)]
        return np.asarray(self.read(index, index + 1)[(0, *others)])
