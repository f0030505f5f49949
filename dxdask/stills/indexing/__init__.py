"""Indexing of stills: the crystals of single shots, their cell known or not."""

from dxdask.stills.indexing.known_cell import KnownCell
from dxdask.stills.indexing.parameters import StillIndexParameters
from dxdask.stills.indexing.step import index_stills
from dxdask.stills.indexing.still import StillLattices, index_still

__all__ = ["KnownCell", "StillIndexParameters", "StillLattices", "index_still", "index_stills"]
