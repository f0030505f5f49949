"""Which kind of image a file is, and reading it by its kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.frames.places import REFERENCE, WHOLE_FILE, FramePlaces, kind_of_head
from dxdask.storage.importers.cbf.image import read_frame as read_cbf_frame
from dxdask.storage.importers.cbf.image import read_header as read_cbf_header
from dxdask.storage.importers.image_files import ImageHeader, read_bytes
from dxdask.storage.importers.smv.image import read_frame as read_smv_frame
from dxdask.storage.importers.smv.image import read_header as read_smv_header

_HEAD_BYTES = 1 << 12


def kind_of(path: Path) -> str:
    """Return "hdf5", "cbf" or "smv", from the first bytes of a file.

    Raises
    ------
    FormatError
        None of these.
    """
    kind = kind_of_head(read_bytes(path, _HEAD_BYTES))
    if kind is None:
        raise FormatError(
            f"{path} is no image that is known: NXmx/HDF5, CBF and SMV are (.gz and .bz2 too)"
        )
    return kind


def read_header(path: Path, kind: str) -> ImageHeader:
    """Return the header of an image of this kind ("cbf", "smv")."""
    return read_cbf_header(path) if kind == "cbf" else read_smv_header(path)


def read_frame(path: Path, kind: str) -> NDArray[Any]:
    """Return the pixels (slow, fast) of an image of this kind ("cbf", "smv")."""
    return read_cbf_frame(path) if kind == "cbf" else read_smv_frame(path)


def image_places(paths: Sequence[Path], kind: str, headers: Sequence[ImageHeader]) -> FramePlaces:
    """Return where the pixels of files of one image each lie.

    Where a file is compressed as a whole, or holds an image in several sections, or its pixels are
    stored in another way than those of the first, files are referred to as a whole.
    """
    first = headers[0]
    places = [h.place for h in headers if h.place is not None]
    ways = {(p.packing, p.stored) for p in places}
    references = np.zeros((len(paths), 1, 1), dtype=REFERENCE)
    references["file"][:, 0, 0] = np.arange(len(paths), dtype=np.uint32)
    if len(places) == len(headers) and len(ways) == 1:
        packing, stored = places[0].packing, places[0].stored
        most = 2 * first.shape[0] * first.shape[1] * np.dtype(stored).itemsize + 65536
        for i, (path, place) in enumerate(zip(paths, places, strict=True)):
            # What is truncated is left so short that it does not unpack; that costs one image.
            offset = min(place.offset, max(os.path.getsize(path) - 1, 0))
            room = max(os.path.getsize(path) - offset, 1)
            references["offset"][i] = offset
            references["length"][i] = min(place.length, room, most)
    else:
        packing, stored = WHOLE_FILE, np.dtype(first.dtype).str
        references["length"][:, 0, 0] = [os.path.getsize(p) for p in paths]
    return FramePlaces(
        files=tuple(str(p) for p in paths),
        kind=kind,
        packing=packing,
        stored=stored,
        shape=(len(paths), *first.shape),
        chunk=(1, *first.shape),
        references=references,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReader:
    """Reads frames from files of one image each."""

    kind: str
    paths: tuple[str, ...]
    frame_shape: tuple[int, int]
    dtype: str

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast)."""
        out = np.empty((last - first, *self.frame_shape), dtype=self.dtype)
        for i, path in enumerate(self.paths[first:last]):
            frame = read_frame(Path(path), self.kind)
            if frame.shape != self.frame_shape:
                raise FormatError(
                    f"{path} has {frame.shape} pixels (slow, fast), the images before it "
                    f"{self.frame_shape}; it does not belong to this run"
                )
            out[i] = frame
        return out
