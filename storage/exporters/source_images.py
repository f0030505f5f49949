"""Files of the images of a run, for programs that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTAINERS = (".nxs", ".h5", ".hdf5", ".cxi")


@dataclass(frozen=True)
class SourceImages:
    """The files that a run was imported from.

    Attributes
    ----------
    files : one for each image, or one that holds all.
    places : index of each image of the run among all images of the files; None: as in the run.
    """

    files: tuple[str, ...]
    places: tuple[int, ...] | None = None

    @classmethod
    def of(cls, files: Sequence[str | Path], places: Sequence[int] | None = None) -> SourceImages:
        """Return the same with absolute names."""
        names = tuple(str(Path(f).resolve()) for f in files)
        return cls(names, None if places is None else tuple(places))

    @property
    def is_container(self) -> bool:
        """True if one file holds all images."""
        return Path(self.files[0]).suffix in _CONTAINERS

    def place(self, image: int) -> int:
        """Return the index of an image among all images of the files, from 0."""
        return image if self.places is None else self.places[image]

    def name(self, image: int) -> str:
        """Return the file of an image."""
        if self.is_container:
            return self.files[0]
        return self.files[min(self.place(image), len(self.files) - 1)]
