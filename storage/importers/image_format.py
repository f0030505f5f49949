"""Base of formats with one image in a file."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement
from dxdask.storage.importers.image_header import ImageHeader
from dxdask.storage.importers.image_runs import runs_of_images


class ImageFileFormat(Format):
    """A format with one image in a file; images are joined to runs by their headers."""

    @abstractmethod
    def read_header(self, path: Path) -> ImageHeader:
        """Return the header of an image.

        Raises
        ------
        FormatError
            The header is incomplete or contradicts itself.
        """

    @abstractmethod
    def read_frame(self, path: Path) -> NDArray[Any]:
        """Return the pixels (slow, fast) of an image, of the dtype that its header has.

        Raises
        ------
        FormatError
            The file is truncated or damaged.
        """

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs in files of one template, see `runs_of_images`."""
        return runs_of_images(group, self, self.read_header)
