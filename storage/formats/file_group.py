"""Raw files grouped by the template of their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NumberedFile:
    """A raw file, with the number in its name (None where it has none)."""

    path: Path
    number: int | None


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files of one template, in ascending order of their numbers.

    Attributes
    ----------
    stem : name of the group: the template without its number, or the folder if nothing is left.
    folder : of the files.
    files : at least one.
    """

    stem: str
    folder: Path
    files: tuple[NumberedFile, ...]
