"""Strong pixels of spots, from the column `shoebox` of a table of DIALS.

A shoebox is its panel (uint32), its box x0 x1 y0 y1 z0 z1 (int32) and a byte, then of all its
pixels the counts (float32), the masks (int32, bits of DIALS's MaskCode) and the background
(float32).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError

_HEAD = struct.Struct("<I6iB")
_BYTES = 12  # a pixel
_FOREGROUND = 4


def strong_pixels(
    path: Path | None, raw: bytes, rows: int, chosen: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return the foreground pixels of some rows' shoeboxes, as spot finding gives them.

    raw : the column, of `rows` shoeboxes. chosen : (k,) rows, in the order of the result.

    Returns
    -------
    pixel_offsets (k + 1,), pixel_x, pixel_y (px of the panel), pixel_z (images), pixel_value (m,).

    Raises
    ------
    FormatError
        The shoeboxes do not fit the bytes.
    """
    starts, boxes = _boxes(path, raw, rows)
    starts, boxes = starts[chosen], boxes[chosen]
    width, height, depth = (boxes[:, 2 * i + 1] - boxes[:, 2 * i] for i in range(3))
    volume = width * height * depth
    octets = np.frombuffer(raw, dtype=np.uint8)
    owner = np.repeat(np.arange(len(chosen)), volume)
    rank = np.arange(int(volume.sum())) - np.repeat(np.cumsum(volume) - volume, volume)
    address = starts[owner] + _HEAD.size + 4 * rank
    mask = _numbers(octets, address + 4 * volume[owner], "<i4")
    keep = np.flatnonzero(mask & _FOREGROUND)
    owner, rank = owner[keep], rank[keep]
    w, h = width[owner], height[owner]
    value = _numbers(octets, address[keep], "<f4")
    if np.isfinite(value).all() and (value == np.rint(value)).all() and np.all(abs(value) < 2**31):
        value = value.astype(np.int32)
    counts = np.bincount(owner, minlength=len(chosen))
    return {
        "pixel_offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "pixel_x": (boxes[owner, 0] + rank % w).astype(np.int32),
        "pixel_y": (boxes[owner, 2] + rank // w % h).astype(np.int32),
        "pixel_z": (boxes[owner, 4] + rank // (w * h)).astype(np.int32),
        "pixel_value": value,
    }


def _boxes(path: Path | None, raw: bytes, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each shoebox begins, and its box (n, 6)."""
    starts, boxes, place = [], [], 0
    for row in range(rows):
        if place + _HEAD.size > len(raw):
            raise FormatError(f"{path}: shoebox {row} of {rows} is behind the end of its column")
        _, x0, x1, y0, y1, z0, z1, _ = _HEAD.unpack_from(raw, place)
        if x1 < x0 or y1 < y0 or z1 < z0:
            raise FormatError(f"{path}: shoebox {row} has the box {(x0, x1, y0, y1, z0, z1)}")
        starts.append(place)
        boxes.append((x0, x1, y0, y1, z0, z1))
        place += _HEAD.size + _BYTES * (x1 - x0) * (y1 - y0) * (z1 - z0)
    if place != len(raw):
        raise FormatError(f"{path}: shoeboxes take {place} bytes, their column has {len(raw)}")
    return np.array(starts, dtype=np.int64), np.array(boxes, dtype=np.int64).reshape(-1, 6)


def _numbers(octets: NDArray[np.uint8], address: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return the numbers of four bytes at these places."""
    out = np.empty((len(address), 4), dtype=np.uint8)
    for k in range(4):
        out[:, k] = octets[address + k]
    return out.reshape(-1).view(dtype)
