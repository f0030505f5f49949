"""Fates of events, as numbers in a column and as words in a table."""

from __future__ import annotations

from enum import IntEnum


class Fate(IntEnum):
    """The last state that an event reached, in the order of processing."""

    UNREADABLE = 0
    NO_WAVELENGTH = 2
    TOO_MANY_STRONG_PIXELS = 3
    NO_HIT = 4
    NOT_INDEXED = 5
    CELL_DIFFERS = 6
    NOT_REFINED = 7
    INDEXED = 8
    INTEGRATED = 9

    @property
    def words(self) -> str:
        """The text in a table."""
        return _WORDS[self]


_WORDS = {
    Fate.UNREADABLE: "the frame cannot be read",
    Fate.NO_WAVELENGTH: "the wavelength is not known",
    Fate.TOO_MANY_STRONG_PIXELS: "too many strong pixels",
    Fate.NO_HIT: "too few spots for a hit",
    Fate.NOT_INDEXED: "no lattice found",
    Fate.CELL_DIFFERS: "the lattice found differs from the cell given",
    Fate.NOT_REFINED: "the crystal could not be refined",
    Fate.INDEXED: "indexed",
    Fate.INTEGRATED: "integrated",
}
