"""How a result was made, for the headers of exported files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dxdask.tables import Table

WIDTH, MOST_LINES = 80, 30
"""Characters of a history record of an MTZ file, and their largest number (CCP4 library, "MTZ
file format")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """A step that a result was made by.

    Attributes
    ----------
    name : of the step. created : ISO 8601. version : of dxdask. parameters : `name = value` of
        those that are not at their defaults.
    """

    name: str
    created: str = ""
    version: str = ""
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        when = f" {self.created[:16].replace('T', ' ')}" if self.created else ""
        version = f" by dxdask {self.version}" if self.version else ""
        return f"{self.name}{when}{version}: {', '.join(self.parameters) or 'default parameters'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Processing:
    """The steps behind a result, and its statistics.

    Attributes
    ----------
    steps : in the order of processing.
    tables : of the step `merge`, by name. isa : asymptotic I/sigma, None where it is not known.
    """

    steps: tuple[StepRecord, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    isa: float | None = None

    def rows(self, table: str, wavelength: float | None = None) -> list[dict[str, Any]]:
        """Return the rows of a table, those of one wavelength where it has several."""
        if table not in self.tables:
            return []
        rows = [dict(row) for row in self.tables[table].rows]
        if wavelength is None or not any("wavelength" in row for row in rows):
            return rows
        return [row for row in rows if row["wavelength"] == wavelength]


def wrapped(texts: Iterable[str]) -> list[str]:
    """Return texts as lines of ASCII of at most 80 characters, all but the first indented."""
    return [
        line.encode("ascii", "replace").decode()
        for text in texts
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")
    ]


def history(processing: Processing | None) -> list[str]:
    """Return lines of ASCII for the history of an MTZ file, the newest step first."""
    if processing is None or not processing.steps:
        return ["From dxdask"]
    newest = processing.steps[-1]
    texts = [f"From dxdask {newest.version}".rstrip()]
    if processing.isa is not None:
        texts.append(f"ISa {processing.isa:.1f}")
    texts += [str(step) for step in reversed(processing.steps)]
    lines = wrapped(texts)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more lines"]
    return lines
