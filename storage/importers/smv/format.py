"""The format of SMV images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dxdask.storage.formats import Supplement
from dxdask.storage.importers.image_format import ImageFileFormat
from dxdask.storage.importers.image_header import ImageHeader


class Smv(ImageFileFormat):
    """SMV of ADSC detectors and Timepix cameras, one image in a file."""

    name = "smv"
    description = "SMV, a text header in braces that begins with HEADER_BYTES"
    suffixes = (".img", ".smv")

    def has_signature(self, head: bytes) -> bool:
        """Return True if the first bytes are those of an SMV image."""
        return head.startswith(b"{") and b"HEADER_BYTES" in head[:512]

    def read_header(self, path: Path, supplement: Supplement | None = None) -> ImageHeader:
        """Return the header, see `dxdask.storage.importers.smv.image.read_header`."""
        from dxdask.storage.importers.smv.image import read_header

        return read_header(path, supplement)

    def read_frame(self, path: Path) -> NDArray[Any]:
        """Return the pixels, see `dxdask.storage.importers.smv.image.read_frame`."""
        from dxdask.storage.importers.smv.image import read_frame

        return read_frame(path)
