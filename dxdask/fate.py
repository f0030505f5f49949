"""Fates of events and of spots, as numbers in a column and as words in a table."""

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


class SpotFate(IntEnum):
    """What became of a spot of a sweep in indexing; values of the column `fate`."""

    NO_LATTICE = 0
    INDEXED = 1
    OUTLIER = 2
    OFF_LATTICE = 3
    ICE_RING = 4
    REPEATED = 5
    BETWEEN_LATTICES = 6
    BEYOND_D_MIN = 7
    DISCONNECTED = 8

    @property
    def words(self) -> str:
        """The text in a table."""
        return _SPOT_WORDS[self]


_SPOT_WORDS = {
    SpotFate.NO_LATTICE: "no lattice found in its run",
    SpotFate.INDEXED: "indexed",
    SpotFate.OUTLIER: "indexed, outlier of the refinement",
    SpotFate.OFF_LATTICE: "not near a lattice point",
    SpotFate.ICE_RING: "not near a lattice point, on an ice ring",
    SpotFate.REPEATED: "another spot of the same reflection is nearer",
    SpotFate.BETWEEN_LATTICES: "equally near to two lattices",
    SpotFate.BEYOND_D_MIN: "beyond the resolution limit",
    SpotFate.DISCONNECTED: "not connected to the largest group of neighbours",
}
