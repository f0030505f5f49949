"""Image files, one image each: their bytes, and what a header says."""

from __future__ import annotations

import bz2
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Goniometer

# No single image comes near this; a compressed file that grows beyond it is not an image.
MAX_IMAGE_BYTES = 1 << 30


class Place(NamedTuple):
    """Where in a file, not compressed as a whole, all pixels of its image lie, and how.

    `packing` as of `dxdask.storage.codecs`; `stored` is the dtype, byte order too.
    """

    offset: int
    length: int
    packing: str
    stored: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageHeader:
    """What the header of one image says.

    Attributes
    ----------
    shape : (slow, fast) of the stored frame; dtype : of its pixels.
    oscillation : start and width, degree.
    exposure : s; timestamp : s since 1970; None where not known.
    place : of the pixels; None where they do not lie in one piece as they are.
    """

    beam: Beam
    detector: Detector
    goniometer: Goniometer | None
    shape: tuple[int, int]
    dtype: str
    oscillation: tuple[float, float] = (0.0, 0.0)
    exposure: float | None = None
    timestamp: float | None = None
    place: Place | None = None


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed as a whole."""
    return path.suffix in (".gz", ".bz2")


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    return path.open("rb")


def read_bytes(path: Path, limit: int = MAX_IMAGE_BYTES) -> bytes:
    """Return the first `limit` bytes of a file, unpacked where its name ends in .gz or .bz2.

    Raises
    ------
    FormatError
        The compressed file is damaged or truncated, or unpacks to more than an image can hold.
    """
    try:
        with _open(path) as stream:
            data = stream.read(limit)
            if limit == MAX_IMAGE_BYTES and stream.read(1):
                raise FormatError(f"{path} unpacks to more than {limit} bytes: it is no image")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path} is truncated or damaged ({error}); fetch it again") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise FormatError(f"{path} cannot be read ({error}); fetch it again") from error
    return data
