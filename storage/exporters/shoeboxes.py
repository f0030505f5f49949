"""The pixels of spots as the column `shoebox` of a reflection table of DIALS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError

SHOEBOX_ARRAYS = ("shoebox_offsets", "shoebox_value", "shoebox_mask")
HEAD_BYTES = 29
PIXEL_BYTES = 12
LARGEST = (1 << 32) - 1
"""Bytes that one value of msgpack holds at most."""


def encode_shoeboxes(
    panel: NDArray[Any], bbox: NDArray[Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Return shoeboxes as DIALS 3 writes them to a `.refl`, one after the other.

    Each is its panel (uint32), its box x0 x1 y0 y1 z0 z1 (int32), a byte 1, then of all its pixels
    the counts (float32), the masks (int32) and the background (float32), of which there is none.

    panel : (n,). bbox : (n, 6). arrays : shoebox_offsets (n + 1,), shoebox_value and shoebox_mask
    (m,), as spot finding gives them.

    Raises
    ------
    InputError
        The boxes do not fit their pixels, or there are more than the format holds.
    """
    offsets, value, mask = (arrays[name] for name in SHOEBOX_ARRAYS)
    lengths = np.diff(offsets)
    box = np.ascontiguousarray(bbox, "<i4").reshape(-1, 6)
    sides = np.diff(box.astype(np.int64).reshape(-1, 3, 2), axis=2)[:, :, 0]
    if len(lengths) != len(box) or (sides.prod(axis=1) != lengths).any():
        raise InputError(
            f"shoeboxes of {len(lengths)} spots do not fit the table's {len(box)} boxes; "
            "give the arrays of the step that made the table"
        )
    sizes = HEAD_BYTES + PIXEL_BYTES * lengths
    total = int(sizes.sum())
    if total > LARGEST:
        raise InputError(
            f"shoeboxes take {total} bytes, a .refl holds {LARGEST}; find spots without "
            "output.shoeboxes, or in fewer images (scan_range)"
        )
    out = np.zeros(total, np.uint8)
    starts = np.cumsum(sizes) - sizes
    head = np.ones((len(box), HEAD_BYTES), np.uint8)
    head[:, :4] = np.ascontiguousarray(panel, "<u4").view(np.uint8).reshape(-1, 4)
    head[:, 4:28] = box.view(np.uint8).reshape(-1, 24)
    out[starts[:, None] + np.arange(HEAD_BYTES)] = head
    rank = np.arange(len(value)) - np.repeat(offsets[:-1], lengths)
    for block, numbers in enumerate((value.astype("<f4"), mask.astype("<i4"))):
        first = np.repeat(starts + HEAD_BYTES + 4 * block * lengths, lengths) + 4 * rank
        octets = np.ascontiguousarray(numbers).view(np.uint8).reshape(-1, 4)
        for k in range(4):
            out[first + k] = octets[:, k]
    return out.tobytes()
