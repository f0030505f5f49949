"""SMV images: a text header of fixed length, then the pixels, uncompressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats import Supplement
from dxdask.storage.formats.file_bytes import is_compressed, read_bytes
from dxdask.storage.importers.conventions import convention_of
from dxdask.storage.importers.header_values import decimals, timestamp
from dxdask.storage.importers.image_header import ImageChunk, ImageHeader
from dxdask.storage.importers.smv.dtrek import dtrek_models, is_dtrek
from dxdask.storage.importers.smv.flat import flat_models
from dxdask.storage.importers.smv.pixels import Layout, layout_of
from dxdask.storage.importers.smv.text import read_values


def read_header(path: Path, supplement: Supplement | None = None) -> ImageHeader:
    """Return the header of an SMV image: of ADSC's kind, of a Timepix, or of d*TREK (Rigaku).

    supplement : has the user's conventions. Wavelength, distance, beam centre and pixel size may be
    missing.

    Raises
    ------
    FormatError
        Size, type or byte order of the pixels is missing, or not known.
    """
    header = read_values(path)
    layout = layout_of(header)
    when = timestamp([header.text("DATE"), header.text("DTREK_DATE_TIME", "NOIR1_CREATED")])
    own = None if supplement is None else supplement.conventions
    convention = convention_of("smv", header, when, own)
    models = (dtrek_models if is_dtrek(header) else flat_models)(header, convention, layout)
    return ImageHeader(
        beam=models.beam,
        detector=models.detector,
        goniometer=models.goniometer,
        shape=layout.shape,
        dtype=layout.dtype,
        oscillation=models.oscillation,
        starts=models.starts,
        angle_decimals=decimals(header.text("OSC_START", "PHI", "ROTATION")),
        width_decimals=decimals(header.text("OSC_RANGE")),
        exposure=models.exposure,
        timestamp=when,
        chunk=_chunk(path, layout),
        missing=tuple(header.missing),
        problems=tuple(header.problems),
    )


def read_frame(path: Path) -> NDArray[Any]:
    """Return the pixels (slow, fast) of an SMV image, in the machine's byte order.

    Raises
    ------
    FormatError
        The file holds fewer pixels than its header announces.
    """
    layout = layout_of(read_values(path))
    raw = read_bytes(path)
    if len(raw) < layout.start + layout.n_bytes:
        raise FormatError(
            f"{path} has {max(len(raw) - layout.start, 0)} bytes of pixels, its header announces "
            f"{layout.n_bytes}: it is truncated; fetch it again"
        )
    n_pixels = layout.shape[0] * layout.shape[1]
    data = np.frombuffer(raw, layout.order + layout.dtype, count=n_pixels, offset=layout.start)
    return data.reshape(layout.shape).astype(layout.dtype, copy=False)


def _chunk(path: Path, layout: Layout) -> ImageChunk | None:
    if is_compressed(path):
        return None
    return ImageChunk(layout.start, layout.n_bytes, "none", layout.order + layout.dtype)
