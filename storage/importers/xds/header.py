"""The header and the items of a file of reflections of XDS.

Keys and items are those of the XDS manual (Kabsch 2010, Acta Cryst. D66, 125; "XDS_ASCII.HKL",
"INTEGRATE.HKL").
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.storage.formats.file_bytes import read_bytes

_KEY = re.compile(r"([A-Z][A-Z0-9_'().-]*)=")
_SET = re.compile(r"^\s*ISET=\s*(\d+)\s+([A-Z][A-Z0-9_-]*)=\s*(.*)$")
_ITEM = re.compile(r"^ITEM_([A-Z0-9()]+)$")
_RENAMED = {"SIGMA(IOBS)": "SIGMA", "XCAL": "XD", "YCAL": "YD", "ZCAL": "ZD"}
_NEEDED = ("H", "K", "L", "IOBS", "SIGMA", "ZD")


@dataclass(frozen=True, kw_only=True)
class XdsFile:
    """A file of reflections of XDS.

    Attributes
    ----------
    path : of the file.
    values : of the header, by key. sets : those of each data set of XSCALE, by its number.
    columns : of the reflections, by item.
    """

    path: Path
    values: Mapping[str, str]
    sets: Mapping[int, Mapping[str, str]]
    columns: Mapping[str, Floats]

    def text(self, key: str, of_set: int | None = None) -> str | None:
        """Return a value of the header, of a data set where it has its own; None: not there."""
        own = {} if of_set is None else self.sets.get(of_set, {})
        return own.get(key, self.values.get(key))

    def numbers(self, key: str, n: int, of_set: int | None = None) -> NDArray[np.float64] | None:
        """Return n numbers of the header, None where they are not there.

        Raises
        ------
        FormatError
            They are not n finite numbers.
        """
        text = self.text(key, of_set)
        if text is None:
            return None
        try:
            found = np.array([float(word) for word in text.split()[:n]])
        except ValueError:
            found = np.empty(0)
        if len(found) != n or not np.isfinite(found).all():
            raise FormatError(f"{self.path}: {key}= {text.strip()!r} is not {n} number(s)")
        return found


def read(path: Path) -> XdsFile:
    """Return a file of reflections of XDS.

    Raises
    ------
    FormatError
        Truncated, damaged, merged, or an item that is needed is not there.
    """
    try:
        text = read_bytes(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is damaged: it is not text ({error})") from error
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if line.startswith("!END_OF_HEADER")), None)
    if end is None:
        raise FormatError(f"{path} is truncated: it has no END_OF_HEADER; fetch it again")
    if not any(line.startswith("!END_OF_DATA") for line in lines[-5:]):
        raise FormatError(f"{path} is truncated: it has no END_OF_DATA; fetch it again")
    values, sets = _header([line[1:] for line in lines[:end] if line.startswith("!")])
    if "MERGE" in values and values["MERGE"].split()[:1] == ["TRUE"]:
        raise FormatError(f"{path} is merged; give a file of XDS written with MERGE=FALSE")
    items = _items(lines[:end], values)
    missing = [item for item in _NEEDED if item not in items]
    if missing:
        raise FormatError(f"{path} lacks the items {', '.join(missing)} of unmerged reflections")
    rows = [line for line in lines[end + 1 :] if line.strip() and not line.startswith("!")]
    table = _numbers(path, rows, len(items))
    return XdsFile(
        path=path,
        values=values,
        sets=sets,
        columns={name: table[:, i] for i, name in enumerate(items)},
    )


def _header(lines: list[str]) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    values: dict[str, str] = {}
    sets: dict[int, dict[str, str]] = {}
    for line in lines:
        of_set = _SET.match(line)
        if of_set is not None:
            sets.setdefault(int(of_set[1]), {})[of_set[2]] = of_set[3].strip()
            continue
        found = list(_KEY.finditer(line))
        ends = [*(m.start() for m in found[1:]), len(line)]
        for match, stop in zip(found, ends, strict=False):
            values[match[1]] = line[match.end() : stop].strip()
    return values, sets


def _items(lines: list[str], values: Mapping[str, str]) -> list[str]:
    """Return the names of the items of a record, in order."""
    numbered = {
        int(text): match[1]
        for key, text in values.items()
        if (match := _ITEM.match(key)) is not None and text.isdigit() and len(text) < 4
    }
    names = [numbered.get(i, f"ITEM{i}") for i in range(1, max(numbered, default=0) + 1)]
    if not names:
        start = next((i for i, line in enumerate(lines) if line.startswith("!H,K,L,")), None)
        if start is not None:
            listed = lines[start][1:].strip()
            if listed.endswith(",") and start + 1 < len(lines):
                listed += lines[start + 1][1:].strip()
            names = [name.strip() for name in listed.split(",") if name.strip()]
    return [_RENAMED.get(name, name) for name in names]


def _numbers(path: Path, rows: list[str], n_items: int) -> NDArray[np.float64]:
    if not rows:
        raise FormatError(f"{path} has no reflections")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = np.loadtxt(rows, dtype=np.float64, ndmin=2, comments=None)
    except (ValueError, UserWarning, OverflowError) as error:
        raise FormatError(f"{path}: a reflection is damaged ({error}); fetch it again") from error
    if table.shape[1] != n_items:
        raise FormatError(
            f"{path}: reflections have {table.shape[1]} items, its header lists {n_items}"
        )
    return table
