"""Where each frame lies in the files it was recorded to, and reading it from there.

HDF5 reads under one lock for all threads; here a chunk is one `pread` and one kernel, both without
the GIL.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.codecs import unpack

REFERENCE = np.dtype([("file", "<u4"), ("offset", "<u8"), ("length", "<u8")])
WHOLE_FILE = "file"  # the packing of an image file that is unpacked as a whole
MAX_CHUNK_BYTES = 1 << 30
_HEAD_BYTES = 1 << 12

OpenFile: TypeAlias = Callable[[int], tuple[int, str]]  # descriptor and path of a file by number


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class FramePlaces:
    """Where the chunks of frames lie.

    Attributes
    ----------
    files : paths.
    kind : of the files, "hdf5", "cbf" or "smv".
    packing : of a chunk, one of `chunk_codecs.PACKINGS` or `WHOLE_FILE`.
    stored : dtype of the chunks, byte order too.
    shape : (images, slow, fast); chunk : of one chunk, those at the ends are whole, too.
    references : (chunks of images, of slow, of fast) of `REFERENCE`; length 0 was never written.
    fill : the value of pixels never written.
    """

    files: tuple[str, ...]
    kind: str
    packing: str
    stored: str
    shape: tuple[int, int, int]
    chunk: tuple[int, int, int]
    references: NDArray[np.void]
    fill: float = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the frames, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    def with_references(self, references: NDArray[np.void]) -> FramePlaces:
        """Return the places with other references."""
        return replace(self, references=references)

    def part(self, first: int, last: int) -> FramePlaces:
        """Return the places of the images first .. last - 1.

        Raises
        ------
        FormatError
            The first is not the first of a chunk.
        """
        if first % self.chunk[0]:
            raise FormatError(
                f"{self.files[0]}: image {first + 1} is not the first of a chunk of {self.chunk[0]}"
            )
        chosen = self.references[first // self.chunk[0] : -(-last // self.chunk[0])]
        return replace(self, shape=(last - first, *self.shape[1:]), references=chosen)


def joined(parts: Sequence[FramePlaces]) -> FramePlaces:
    """Return the places of frames that follow one another.

    Raises
    ------
    FormatError
        They differ in chunks, packing or type, or a chunk holds images of two of them.
    """
    first = parts[0]
    files = {path: None for part in parts for path in part.files}
    numbers = {path: i for i, path in enumerate(files)}
    references = []
    for i, part in enumerate(parts):
        same = ("kind", "packing", "stored", "chunk", "fill")
        different = [name for name in same if getattr(part, name) != getattr(first, name)]
        if different:
            raise FormatError(f"{first.files[0]} and {part.files[0]} differ in {different[0]}")
        if i < len(parts) - 1 and part.shape[0] % part.chunk[0]:
            raise FormatError(
                f"{part.files[0]} holds {part.shape[0]} images in chunks of {part.chunk[0]}, "
                "so that a chunk ends amid the run"
            )
        new = part.references.copy()
        new["file"] = np.array([numbers[p] for p in part.files], dtype=np.uint32)[new["file"]]
        references.append(new)
    n_images = sum(part.shape[0] for part in parts)
    return replace(
        first,
        files=tuple(files),
        shape=(n_images, *first.shape[1:]),
        references=np.concatenate(references),
    )


def grid_of(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of chunks along each axis."""
    return tuple(math.ceil(n / c) for n, c in zip(shape, chunk, strict=True))


@contextmanager
def opened_files(files: Mapping[int, str] | tuple[str, ...]) -> Iterator[OpenFile]:
    """Return what opens files as they are needed, and closes them at the end."""
    descriptors: dict[int, int] = {}

    def descriptor(number: int) -> tuple[int, str]:
        if number not in descriptors:
            descriptors[number] = open_regular(files[number])
        return descriptors[number], files[number]

    try:
        yield descriptor
    finally:
        for fd in descriptors.values():
            os.close(fd)


def open_regular(path: str | Path) -> int:
    """Return the descriptor of a file, open for reading.

    Raises
    ------
    OSError, ValueError
        It is not there, or is a folder, a pipe or a device: those could be waited for without end.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is no regular file")
    return fd


def read_frames(
    places: FramePlaces, first: int, last: int, out: NDArray[Any], open_file: OpenFile
) -> None:
    """Fill out (last - first, slow, fast), contiguous, with the images first .. last - 1.

    Raises
    ------
    FormatError
        A chunk is truncated or damaged; the message has the file and the images.
    """
    n_images, slow, fast = places.chunk
    whole = places.chunk[1:] == places.shape[1:] and out.dtype == np.dtype(places.stored)
    for k in range(first // n_images, -(-last // n_images)):
        start = k * n_images
        low, high = max(start, first), min(start + n_images, last)
        for j, i in np.ndindex(*places.references.shape[1:]):
            reference = places.references[k, j, i]
            target = out[low - first : high - first, j * slow : (j + 1) * slow]
            target = target[:, :, i * fast : (i + 1) * fast]
            if reference["length"] == 0:
                target[...] = places.fill
            elif whole and high - low == n_images:
                read_chunk(places, reference, target, open_file, start)
            else:
                chunk = np.empty(places.chunk, dtype=places.stored)
                read_chunk(places, reference, chunk, open_file, start)
                rows, columns = target.shape[1:]
                target[...] = chunk[low - start : high - start, :rows, :columns]


def read_chunk(
    places: FramePlaces,
    reference: Any,
    out: NDArray[Any],
    open_file: OpenFile,
    first_image: int | None,
) -> None:
    """Fill out (the shape of a chunk), contiguous, of the dtype as stored.

    first_image : of the chunk, counted from 0, for the message of an error.

    Raises
    ------
    FormatError
        As `read_frames`.
    """
    fd, path = open_file(int(reference["file"]))
    try:
        if places.packing == WHOLE_FILE:
            _read_whole(path, places.kind, out)
        else:
            data = os.pread(fd, int(reference["length"]), int(reference["offset"]))
            unpack(places.packing, data, out)
    except (OSError, FormatError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        images = _images(places, first_image)
        raise FormatError(
            f"{path}: {images} cannot be read ({reason}); fetch the file again"
        ) from error


def _images(places: FramePlaces, first: int | None) -> str:
    if first is None:
        return "a chunk of images"
    last = min(first + places.chunk[0], places.shape[0])
    return f"image {last}" if places.chunk[0] == 1 else f"images {first + 1} to {last}"


def _read_whole(path: str, kind: str, out: NDArray[Any]) -> None:
    # Importers read frames through this module.
    from dxdask.storage.importers.image_kinds import read_frame

    frame = read_frame(Path(path), kind)
    if frame.shape != out.shape[1:]:
        raise FormatError(f"it has {frame.shape} pixels (slow, fast), the run {out.shape[1:]}")
    out[0] = frame


def head_of(fd: int) -> bytes:
    """Return the first bytes of a file."""
    return os.pread(fd, _HEAD_BYTES, 0)


def kind_of_head(head: bytes) -> str | None:
    """Return "hdf5", "cbf" or "smv" by the first bytes of a file, None where it is none of them."""
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.lstrip().startswith(b"###CBF") or b"_array_data.header_convention" in head:
        return "cbf"
    if head.startswith(b"{") and b"HEADER_BYTES" in head[:512]:
        return "smv"
    return None


def digest_of(head: bytes) -> str:
    """Return a short digest of the first bytes of a file."""
    return hashlib.sha256(head).hexdigest()[:16]
