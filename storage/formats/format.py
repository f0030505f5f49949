"""Interface of a raw file format.

A package adds a format by an entry point in the group ``dxdask.formats``; those of dxdask are
registered in the same way::

    [project.entry-points."dxdask.formats"]
    mine = "my_package.format:Mine"

The class is imported whenever formats are listed, so its module should import readers of files
only within its methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats.file_group import FileGroup
from dxdask.storage.formats.run_source import RunSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Supplement:
    """Metadata from the user's parameters, for files that lack them.

    Attributes
    ----------
    reference_geometry : path of a geometry file.
    dataset : name of the frames' dataset.
    wavelength : Angstrom.
    conventions : path of a file with conventions of detectors.
    has_template : the files were named by a template; its images are one scan, whatever angles
        their headers have.
    detector : path of the group of the frames' detector.
    oscillation : start and width of an image, degree; images are then one sweep, whatever their
        angles.
    step : that tables of reflections stand for; None: by their columns.
    """

    reference_geometry: Path | None = None
    dataset: str | None = None
    wavelength: float | None = None
    conventions: Path | None = None
    has_template: bool = False
    detector: str | None = None
    oscillation: tuple[float, float] | None = None
    step: str | None = None


class Format(ABC):
    """A raw file format; without state, instantiated once in a process.

    Attributes
    ----------
    name : the name of the entry point; recorded in stores with linked frames.
    description : the files in a few words, with the signature they are recognised by.
    suffixes : of the files' names, in lower case; folders are searched for them.
    priority : a file that several formats claim is read by the one of highest priority.
    together : True where files belong together whatever their names, such as models and
        reflections: then `read_runs` takes all that are given, in their order, as one group.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    priority: ClassVar[int] = 0
    together: ClassVar[bool] = False

    @abstractmethod
    def has_signature(self, head: bytes) -> bool:
        """Return True if the first bytes of a file are those of this format.

        Linked files are checked by it before any of their bytes are used as pixels.
        """

    def claims(self, path: Path, head: bytes) -> bool:
        """Return True if a file is of this format, without reading it whole.

        head : its first `HEAD_BYTES` bytes, decompressed.

        Raises
        ------
        FormatError
            The file has the signature, and is damaged.
        """
        return self.has_signature(head)

    def linked_files(self, path: Path) -> set[Path]:
        """Return the files that this file takes its frames from; {} where they are its own.

        Those that are named beside it are read through it alone.
        """
        return set()

    @abstractmethod
    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs in files of one template.

        Raises
        ------
        FormatError
            A header is incomplete, or a file is damaged.
        """

    def read_frame(self, path: Path) -> NDArray[Any]:
        """Return the pixels (slow, fast) of a file of one image.

        Needed only by formats with chunk manifests of compression `WHOLE_FILE`.

        Raises
        ------
        FormatError
            The file is damaged.
        """
        raise FormatError(f"{path}: files of the format {self.name} are not read as one image")
