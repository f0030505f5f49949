"""Checksums of zarr's ``crc32c`` codec: four bytes at the end of the data."""

from __future__ import annotations

import google_crc32c

from dxdask.errors import SchemaError

CHECKSUM_BYTES = 4


def with_checksum(data: bytes) -> bytes:
    """Return data with their checksum."""
    return data + int(google_crc32c.value(data)).to_bytes(CHECKSUM_BYTES, "little")


def without_checksum(data: bytes) -> bytes:
    """Return data whose checksum is right, without it.

    Raises
    ------
    SchemaError
        The checksum is wrong.
    """
    body, found = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    right = int(google_crc32c.value(body)).to_bytes(CHECKSUM_BYTES, "little")
    if found != right:
        raise SchemaError("has a wrong checksum")
    return body
