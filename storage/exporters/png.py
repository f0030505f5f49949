"""PNG files of pixels in three colours, without a library for images.

Source: Portable Network Graphics specification (W3C, 3rd edition), 5.2 to 5.6 and 11.2.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(path: str | Path, pixels: NDArray[np.uint8], text: str = "") -> None:
    """Write red, green and blue (height, width, 3) uint8; `text` goes into the file as its title.

    Each row is stored as its difference from the one above, which compresses well.
    """
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, 3 * width)
    filtered = np.empty((height, 1 + 3 * width), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if text:
        chunks.append(_chunk(b"tEXt", b"Title\0" + text.encode("latin-1", "replace")))
    chunks += [_chunk(b"IDAT", zlib.compress(filtered.tobytes(), 3)), _chunk(b"IEND", b"")]
    Path(path).write_bytes(_SIGNATURE + b"".join(chunks))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
