"""What became of an event, as numbers in a column and as words in a table."""

from __future__ import annotations

from enum import IntEnum


class Fate(IntEnum):
    """Where the chain from frame to crystal ended for an event, the later the better."""

    UNREADABLE = 0
    NOT_CALIBRATED = 1
    TOO_MANY_STRONG_PIXELS = 2
    NO_HIT = 3
    NOT_INDEXED = 4
    CELL_DIFFERS = 5
    NOT_REFINED = 6
    INDEXED = 7
    INTEGRATED = 8

    @property
    def words(self) -> str:
        """What a table shows."""
        return _WORDS[self]


_WORDS = {
    Fate.UNREADABLE: "the frame cannot be read",
    Fate.NOT_CALIBRATED: "the frame cannot be calibrated",
    Fate.TOO_MANY_STRONG_PIXELS: "too many strong pixels",
    Fate.NO_HIT: "too few spots for a hit",
    Fate.NOT_INDEXED: "no lattice found",
    Fate.CELL_DIFFERS: "the lattice found differs from the cell given",
    Fate.NOT_REFINED: "the crystal could not be refined",
    Fate.INDEXED: "indexed",
    Fate.INTEGRATED: "integrated",
}
