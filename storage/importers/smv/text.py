"""The text of SMV headers: "KEY=value;" records between braces."""

from __future__ import annotations

import re
from pathlib import Path

from dxdask.storage.formats.file_bytes import read_bytes
from dxdask.storage.importers.header_values import HeaderValues
from dxdask.storage.importers.smv.pixels import MAX_HEADER

_FIRST = 1 << 16


def read_values(path: Path) -> HeaderValues:
    """Return the values of an SMV header; the first of equal keys counts.

    The header ends with a closing brace on a line of its own, or after HEADER_BYTES.
    """
    head = read_bytes(path, _FIRST)
    found = re.search(rb"HEADER_BYTES\s*=\s*(\d{1,9})", head[:512])
    length = min(int(found[1]) if found else _FIRST, MAX_HEADER)
    if length > _FIRST:
        head = read_bytes(path, length)
    text = head[:length].decode("latin-1")
    end = re.search(r"^[ \t]*\}", text, re.MULTILINE)
    last = end.start() if end else text.find("}")
    text = text[: last if last >= 0 else length].lstrip().removeprefix("{")
    values: dict[str, str] = {}
    for record in re.split(r"[;\r\n]", text):
        key, equals, value = record.partition("=")
        if equals and key.strip():
            values.setdefault(key.strip().lower(), value.strip())
    return HeaderValues(path=path, values=values)
