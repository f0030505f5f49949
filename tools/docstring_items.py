"""Items of numpydoc sections as dxdask writes them, ``name : meaning``, for mkdocstrings.

numpydoc has a type behind the colon; here types are in annotations and the meaning follows. The
extension moves the meaning to a line of its own, where griffe looks for it.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_TITLES = {"Parameters", "Attributes", "Returns", "Raises", "Yields"}
_ITEM = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) ?: +(\S.*)")


class DocstringItems(griffe.Extension):
    """Rewrite the docstring of every object that has one."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of an object as it is loaded."""
        if obj.docstring is not None:
            obj.docstring.value = with_meanings_below(obj.docstring.value)


def with_meanings_below(text: str) -> str:
    """Return a docstring with the meaning of each item of its sections below its name."""
    lines, found, inside = text.split("\n"), [], False
    for i, line in enumerate(lines):
        follows = lines[i + 1] if i + 1 < len(lines) else ""
        if follows.strip() and set(follows.strip()) == {"-"}:
            inside = line.strip() in _TITLES
        item = _ITEM.fullmatch(line) if inside else None
        found += [item[1], f"    {item[2]}"] if item else [line]
    return "\n".join(found)
