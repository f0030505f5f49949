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

        Values that it lacks are placeholders in the models, and listed in `missing`. A format may
        take the user's `supplement: Supplement | None = None` as second argument.

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
        arguments: dict[str, Any] = {"supplement": supplement} if takes_both else {}
        read = partial(self.read_header, **arguments)
        is_one_scan = supplement.has_template or supplement.oscillation is not None
        return runs_of_images(group, self, read, is_one_scan=is_one_scan)
