"""Base of formats with one image in a file."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from inspect import signature
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

        A format that takes a second argument, `supplement: Supplement | None = None`, has in it
        what the user gives in place of values that the header lacks.

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
        takes_both = len(signature(self.read_header).parameters) > 1
        arguments = {"supplement": supplement} if takes_both else {}
        read = partial(self.read_header, **arguments)
        return runs_of_images(group, self, read, is_one_scan=supplement.is_one_scan)
