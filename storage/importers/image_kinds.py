"""Which kind of image a file is, and reading it by its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.importers.cbf import read_frame as read_cbf_frame
from dxdask.storage.importers.cbf import read_header as read_cbf_header
from dxdask.storage.importers.image_files import ImageHeader, read_bytes
from dxdask.storage.importers.smv import read_frame as read_smv_frame
from dxdask.storage.importers.smv import read_header as read_smv_header

_HEAD_BYTES = 1 << 12


def kind_of(path: Path) -> str:
    """Return "hdf5", "cbf" or "smv", from the first bytes of a file.

    Raises
    ------
    FormatError
        None of these.
    """
    head = read_bytes(path, _HEAD_BYTES)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.lstrip().startswith(b"###CBF") or b"_array_data.header_convention" in head:
        return "cbf"
    if head.startswith(b"{") and b"HEADER_BYTES" in head[:512]:
        return "smv"
    raise FormatError(
        f"{path} is no image that is known: NXmx/HDF5, CBF and SMV are (.gz and .bz2 too)"
    )


def read_header(path: Path, kind: str) -> ImageHeader:
    """Return the header of an image of this kind ("cbf", "smv")."""
    return read_cbf_header(path) if kind == "cbf" else read_smv_header(path)


def read_frame(path: Path, kind: str) -> NDArray[Any]:
    """Return the pixels (slow, fast) of an image of this kind ("cbf", "smv")."""
    return read_cbf_frame(path) if kind == "cbf" else read_smv_frame(path)


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
