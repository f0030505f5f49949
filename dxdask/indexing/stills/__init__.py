"""Indexing of stills: the crystals of single shots, their cell known or not.

index_stills : the step. parameters : its parameters. tables : its tables.
many, refined : the stills of one task; their crystals refined as they are indexed.
known_cell, still, search, phases, rotations, least_squares : crystals of one still, cell known.
blind, transform : the lattice of one still, cell not known.
consensus, lattice_signature : the cell that stills share.
"""

from dxdask.indexing.stills.index_stills import index_stills
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.parameters import StillIndexParameters

__all__ = ["KnownCell", "StillIndexParameters", "index_stills"]
