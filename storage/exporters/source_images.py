"""Where the images of a run are, for programs that read its files."""

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
    files : one for each image, or one that holds them. places : where each image of the run is
    among all that they hold; None: as in the run.
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
        """Whether one file holds all images."""
        return Path(self.files[0]).suffix in _CONTAINERS

    def place(self, image: int) -> int:
        """Return where an image is among all that the files hold, from 0."""
        return image if self.places is None else self.places[image]

    def name(self, image: int) -> str:
        """Return the file that an image is in."""
        if self.is_container:
            return self.files[0]
        return self.files[min(self.place(image), len(self.files) - 1)]
