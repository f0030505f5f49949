"""A run as the importers find it: its models and columns read, its frames still in their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.storage.frames.places import FramePlaces


class RawReader(Protocol):
    """Reads frames from files; small, frozen and picklable, so that it can travel to a worker."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast)."""


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """Images recorded one after the other, or stills that belong together.

    Attributes
    ----------
    name : of the run, unique in an ensemble.
    experiment : its models; no crystal.
    shape : (n images, slow, fast).
    dtype : of the pixels.
    mask : (slow, fast) bool, true where a pixel lies on a panel and is not known to be bad.
    columns : one value an image: angle (degree), exposure (s), wavelength (A), timestamp (s since
        1970), transmission, event_id; those that are known.
    files : all files the run depends on: those of its frames first, then a mask the user gave.
    reader : of the frames.
    locate : returns where the frames lie in their files, or raises FormatError.
    places : the same once it is known, for a run whose frames stay where they are.
    """

    name: str
    experiment: Experiment
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    mask: NDArray[np.bool_]
    files: tuple[Path, ...]
    reader: RawReader
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    locate: Callable[[], FramePlaces]
    places: FramePlaces | None = None

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1 (counted from 0), (n, slow, fast), as recorded.

        Raises
        ------
        InputError
            No such frames.
        FormatError
            The file is truncated or damaged there.
        """
        if not 0 <= first <= last <= self.shape[0]:
            raise InputError(
                f"run {self.name} has images 0 to {self.shape[0] - 1}; "
                f"{first} to {last - 1} asked for"
            )
        return self.reader.read(first, last)


@dataclass(frozen=True, kw_only=True)
class ReaderFrom:
    """Another reader's frames from `start` on."""

    reader: RawReader
    start: int

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1 of those from `start` on."""
        return self.reader.read(first + self.start, last + self.start)
