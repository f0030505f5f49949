"""Names of files as they are given: `~`, quoted patterns, lists in files or at stdin."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from dxdask.errors import ParameterError

LIST = ".lst"
STDIN = "-"
_MOST_BYTES = 1 << 28
_EVENT = re.compile(r"\s//\S*$")


def expanded(name: str) -> str:
    """Return a name with a leading `~` or `~USER` as the home folder.

    Raises
    ------
    ParameterError
        There is no such home folder, and nothing of this name.
    """
    if not name.startswith("~"):
        return name
    path = os.path.expanduser(name)
    if path.startswith("~") and not os.path.lexists(path):
        raise ParameterError(f"{name}: there is no such home folder; give the whole path")
    return path


def files(names: Sequence[str]) -> list[str]:
    """Return names with home folders filled in, and lists replaced by the files they name.

    Patterns are left to those who read the files, which know what belongs together.

    Raises
    ------
    ParameterError
        A list is empty or is none, or stdin is given and is a terminal.
    """
    found: list[str] = []
    for name in names:
        path = expanded(name)
        if name == STDIN:
            found += _from_stdin()
        elif path.endswith(LIST) and Path(path).is_file():
            found += _from_file(Path(path))
        else:
            found.append(path)
    return found


def matches(name: str) -> list[str]:
    """Return what a pattern matches, in order; the name itself where it is none."""
    path = expanded(name)
    if os.path.lexists(path) or not has_magic(path):
        return [path]
    return sorted(glob(path)) or [path]


def _from_stdin() -> list[str]:
    if sys.stdin is None or sys.stdin.isatty():
        raise ParameterError("- is a list of files at stdin: ls *.cbf | dxdask import - ...")
    return _entries(sys.stdin.read(), "stdin", Path())


def _from_file(path: Path) -> list[str]:
    if path.stat().st_size > _MOST_BYTES:
        raise ParameterError(f"{path} is too large for a list of files")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ParameterError(f"{path} is no list of files: one name a line") from None
    return _entries(text, str(path), path.parent)


def _entries(text: str, source: str, folder: Path) -> list[str]:
    """Return the files of a list, one a line; those not in this folder may be beside the list."""
    lines = [line.strip() for line in re.split(r"[\0\r\n]", text)]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise ParameterError(f"{source} names no file: write one name a line")
    found = []
    for line in named:
        if _EVENT.search(line):
            raise ParameterError(
                f"{source} names the event {line!r}: list whole files, and choose events with "
                "images= or events="
            )
        path = expanded(line)
        beside = folder / path
        found.append(str(beside) if not os.path.lexists(path) and beside.exists() else path)
    return list(dict.fromkeys(found))
