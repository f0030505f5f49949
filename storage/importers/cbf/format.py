"""The format of CBF images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dxdask.storage.formats import Supplement
from dxdask.storage.importers.image_format import ImageFileFormat
from dxdask.storage.importers.image_header import ImageHeader


class Cbf(ImageFileFormat):
    """MiniCBF and full CBF, one image in a file."""

    name = "cbf"
    description = "miniCBF and full CBF, which begin with ###CBF or name their header convention"
    suffixes = (".cbf",)

    def has_signature(self, head: bytes) -> bool:
        """Return True if the first bytes are those of a CBF."""
        return head.lstrip().startswith(b"###CBF") or b"_array_data." in head

    def read_header(self, path: Path, supplement: Supplement | None = None) -> ImageHeader:
        """Return the header, see `dxdask.storage.importers.cbf.image.read_header`."""
        from dxdask.storage.importers.cbf.image import read_header

        return read_header(path, supplement)

    def read_frame(self, path: Path) -> NDArray[Any]:
        """Return the pixels, see `dxdask.storage.importers.cbf.image.read_frame`."""
        from dxdask.storage.importers.cbf.image import read_frame

        return read_frame(path)
