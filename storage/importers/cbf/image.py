"""CBF images: headers of miniCBF and full CBF, and pixels of their binary sections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.codecs.byte_offset import decode_byte_offset
from dxdask.storage.formats import Supplement
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES, is_compressed, read_bytes
from dxdask.storage.importers.cbf.full import has_tables, read_full_header
from dxdask.storage.importers.cbf.mini import read_mini_header
from dxdask.storage.importers.cbf.mini_text import mini_values
from dxdask.storage.importers.cbf.packed import decode_packed
from dxdask.storage.importers.image_header import ImageChunk, ImageHeader

_START = b"\x0c\x1a\x04\xd5"
_MIME = b"--CIF-BINARY-FORMAT-SECTION--"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A binary section: its start, compressed size, compression and shape."""

    start: int
    n_bytes: int
    compression: str
    shape: tuple[int, int, int]

    @property
    def rows(self) -> int:
        """Rows of the stored frame that the section fills."""
        return self.shape[0] * self.shape[1]


def read_header(path: Path, supplement: Supplement | None = None) -> ImageHeader:
    """Return the header of a CBF image: of its tables of axes, or else of its miniCBF lines.

    supplement : has the user's conventions.

    Raises
    ------
    FormatError
        The header is incomplete, or contradicts the binary section.
    """
    own = None if supplement is None else supplement.conventions
    head = read_bytes(path, 1 << 16)
    if _START not in head or has_tables(_text(head)):
        head = read_bytes(path)
    text = _text(head)
    if has_tables(text):
        sections = _sections(path, head)
        header = _full_or_mini(path, text, sections, own)
    else:
        if _START not in head:
            _sections(path, head)
        sections = [_section(path, head, head.index(_START))]
        header = read_mini_header(path, text, (sections[0].rows, sections[0].shape[2]), own)
    return replace(header, chunk=_chunk(path, sections))


def _full_or_mini(
    path: Path, text: str, sections: Sequence[Section], own: Path | None
) -> ImageHeader:
    """Return the header of the tables, or of the miniCBF lines where the tables are incomplete."""
    try:
        return read_full_header(path, text, [s.shape for s in sections])
    except FormatError as error:
        if len(sections) > 1 or "detector_distance" not in mini_values(text):
            raise
        line = f"{error}; the lines of its miniCBF header are used"
    header = read_mini_header(path, text, (sections[0].rows, sections[0].shape[2]), own)
    return replace(header, problems=(*header.problems, line))


def _chunk(path: Path, sections: Sequence[Section]) -> ImageChunk | None:
    first = sections[0]
    if len(sections) > 1 or is_compressed(path):
        return None
    if first.compression == "x-CBF_BYTE_OFFSET":
        return ImageChunk(first.start, first.n_bytes, "byte_offset", "<i4")
    if first.compression == "x-CBF_NONE":
        return ImageChunk(first.start, 4 * first.rows * first.shape[2], "none", "<i4")
    return None


def read_frame(path: Path) -> NDArray[np.int32]:
    """Return the pixels (slow, fast) int32; several sections are stacked along slow.

    Raises
    ------
    FormatError
        The file is truncated, or its compression is not known.
    """
    raw = read_bytes(path, MAX_IMAGE_BYTES)
    frames = []
    for section in _sections(path, raw):
        if len(raw) < section.start + section.n_bytes:
            raise FormatError(
                f"{path} ends {section.start + section.n_bytes - len(raw)} bytes before the end of "
                "its pixels: it is truncated; fetch it again"
            )
        data = np.frombuffer(raw, dtype=np.uint8, count=section.n_bytes, offset=section.start)
        try:
            frames.append(_decompressed(section, data).reshape(section.rows, section.shape[2]))
        except FormatError as error:
            raise FormatError(f"{path}: {error}; fetch the file again") from error
    return frames[0] if len(frames) == 1 else np.concatenate(frames)


def _decompressed(section: Section, data: NDArray[np.uint8]) -> NDArray[np.int32]:
    n_pixels = section.rows * section.shape[2]
    if section.compression == "x-CBF_BYTE_OFFSET":
        return decode_byte_offset(data, n_pixels)
    if section.compression == "x-CBF_PACKED":
        return decode_packed(data, section.shape)
    if section.compression == "x-CBF_NONE" and data.size >= 4 * n_pixels:
        return np.frombuffer(data[: 4 * n_pixels].tobytes(), dtype="<i4").astype(np.int32)
    raise FormatError(
        f"compression {section.compression!r} is not known; byte offset, packed and none are"
    )


def _text(raw: bytes) -> str:
    """Return the header, up to the first binary section."""
    end = raw.find(_MIME)
    return raw[: end if end >= 0 else len(raw)].decode("latin-1")


def _sections(path: Path, raw: bytes) -> list[Section]:
    sections = []
    at = raw.find(_START)
    while at >= 0:
        section = _section(path, raw, at)
        sections.append(section)
        at = raw.find(_START, section.start + section.n_bytes)
    if not sections:
        raise FormatError(f"{path} has no binary section: it is truncated or holds no image")
    if len({s.shape[2] for s in sections}) > 1:
        raise FormatError(f"{path}: its arrays differ in width: {[s.shape for s in sections]}")
    return sections


def _section(path: Path, raw: bytes, marker: int) -> Section:
    header = raw[max(raw.rfind(_MIME, 0, marker), 0) : marker].decode("latin-1")
    found_numbers = re.findall(r"X-Binary-([A-Za-z-]+): *(\d{1,18})\s", header)
    numbers = {k: int(v) for k, v in found_numbers}
    fast = numbers.get("Size-Fastest-Dimension", 0)
    slow = numbers.get("Size-Second-Dimension", 1)
    deep = numbers.get("Size-Third-Dimension", 1)
    n_bytes = numbers.get("Size", 0)
    if not (fast > 0 and slow > 0 and deep > 0 and n_bytes > 0):
        raise FormatError(f"{path}: a binary section has no size: {numbers}")
    if 4 * fast * slow * deep > MAX_IMAGE_BYTES:
        raise FormatError(f"{path}: {deep} x {slow} x {fast} pixels are not those of an image")
    if numbers.get("Number-of-Elements", fast * slow * deep) != fast * slow * deep:
        raise FormatError(
            f"{path}: {numbers['Number-of-Elements']} elements are not {deep} x {slow} x {fast}"
        )
    kind = re.search(r'X-Binary-Element-Type: *"([^"]*)"', header)
    order = re.search(r"X-Binary-Element-Byte-Order: *(\w+)", header)
    if (kind and "32-bit integer" not in kind[1]) or (order and order[1] != "LITTLE_ENDIAN"):
        raise FormatError(f"{path}: pixels are not 32-bit little-endian integers, as dxdask reads")
    found = re.search(r'conversions="([^"]*)"', header)
    compression = found[1] if found else "x-CBF_NONE"
    if "uncorrelated_sections" in header or '"flat"' in header:
        compression += " (flat or uncorrelated sections)"
    return Section(
        start=marker + len(_START),
        n_bytes=n_bytes,
        compression=compression,
        shape=(deep, slow, fast),
    )
