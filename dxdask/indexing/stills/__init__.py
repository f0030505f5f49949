"""Indexing of stills: the crystals of single shots, their cell known or not.

step : the step in memory. many : what one task does to its stills. refined : crystals refined as
    they are indexed.
known_cell, still : the crystals of one still, the cell known. search, phases, turns,
    least_squares : its orientation.
blind, transform : the lattice of one still, the cell not known. consensus, lattice_signature : the
    cell that stills share.
"""

from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.indexing.stills.step import index_stills
from dxdask.indexing.stills.still import StillLattices, index_still

__all__ = ["KnownCell", "StillIndexParameters", "StillLattices", "index_still", "index_stills"]
