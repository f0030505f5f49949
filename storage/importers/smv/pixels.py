"""Pixels of SMV images: their type, byte order and place in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dxdask.errors import FormatError
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES
from dxdask.storage.importers.header_values import HeaderValues, quantity

MAX_HEADER = 1 << 20
_SIZES = {1: ("char", "byte", "8"), 2: ("short", "16"), 4: ("long", "int", "integer", "32")}
_LITTLE = ("little", "le", "lsb", "intel", "i386", "x86", "ieeele", "low")
_BIG = ("big", "be", "msb", "motorola", "network", "sparc", "ieeebe", "high")


@dataclass(frozen=True, slots=True)
class Layout:
    """shape: (slow, fast). dtype: as "u2". order: "<" or ">". start: of the pixels in the file."""

    shape: tuple[int, int]
    dtype: str
    order: str
    start: int

    @property
    def n_bytes(self) -> int:
        """Bytes of all pixels."""
        return self.shape[0] * self.shape[1] * np.dtype(self.dtype).itemsize

    @property
    def limits(self) -> tuple[float, float]:
        """Trusted range of the type, open at both ends: signed and floating types have no floor."""
        if self.dtype[0] == "f":
            most = float(np.finfo(self.dtype).max)
            return (-most, most)
        info = np.iinfo(self.dtype)
        return (float(info.min) - 1.0, float(info.max))


def layout_of(header: HeaderValues) -> Layout:
    """Return the layout of the pixels.

    Raises
    ------
    FormatError
        A size, the type or the byte order is missing or not known.
    """
    start = _whole(header, "HEADER_BYTES")
    if not 0 < start <= MAX_HEADER:
        raise FormatError(f"{header.path}: HEADER_BYTES={start} is not the length of a header")
    fast, slow = _whole(header, "SIZE1"), _whole(header, "SIZE2")
    dtype = _type(header)
    layout = Layout((slow, fast), dtype, _order(header), start)
    if not (fast > 0 and slow > 0 and layout.n_bytes <= MAX_IMAGE_BYTES):
        raise FormatError(
            f"{header.path}: SIZE1={fast} and SIZE2={slow} are not the sizes of an image"
        )
    return layout


def _whole(header: HeaderValues, key: str) -> int:
    text = header.text(key)
    if not text:
        raise FormatError(f"{header.path} has no {key} in its header: it is no SMV image")
    try:
        value = quantity(text)
    except ValueError as error:
        raise FormatError(f"{header.path}: {key}={text} in the header {error}") from error
    if value is None or value != int(value):
        raise FormatError(f"{header.path}: {key}={text} in the header is not a whole number")
    return int(value)


def _type(header: HeaderValues) -> str:
    """Return the type that TYPE, or Data_type of d*TREK, names in any spelling."""
    text = header.text("TYPE", "Data_type") or "unsigned_short"
    words = re.findall(r"[a-z]+|\d+", text.lower())
    if words == ["mad"]:
        return "u2"
    if any(w in ("float", "real") for w in words) and "64" not in words:
        return "f4"
    is_unsigned = any(w == "unsigned" or w in ("byte", "uint", "ushort", "ulong", "uchar")
                      for w in words)  # fmt: skip
    stems = [w.removeprefix("u") if w in ("uint", "ushort", "ulong", "uchar") else w for w in words]
    for size in (1, 2, 4):
        # "short int" and "int16" are of two bytes, although both name an int
        if any(name in stems for name in _SIZES[size]) and "64" not in stems:
            return f"{'u' if is_unsigned and 'signed' not in words else 'i'}{size}"
    raise FormatError(
        f"{header.path}: TYPE={text} is not known; signed and unsigned char, short and long "
        "(8, 16 and 32 bits) and float are"
    )


def _order(header: HeaderValues) -> str:
    """Return "<" for little endian, also where nothing is said, or ">" for big endian."""
    text = header.text("BYTE_ORDER", "BYTEORDER")
    word = re.sub(r"[^a-z0-9]", "", text.lower())
    if not word or word.startswith(_LITTLE):
        return "<"
    if word.startswith(_BIG):
        return ">"
    raise FormatError(
        f"{header.path}: BYTE_ORDER={text} is not known; little_endian and big_endian are"
    )
