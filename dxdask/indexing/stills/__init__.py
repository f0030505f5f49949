"""Indexing of stills: the crystals of single shots, their cell known or not.

index_stills : the step. parameters : its parameters. tables : its tables.
many, refined : the stills of one task; their crystals refined as they are indexed.
known_cell, still, search, phases, rotations, least_squares : crystals of one still, cell known.
blind, transform : the lattice of one still, cell not known.
consensus, lattice_signature : the cell that stills share.
"""

from typing import TYPE_CHECKING

from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.indexing.stills.index_stills import index_stills
    from dxdask.indexing.stills.known_cell import KnownCell

__all__ = ["KnownCell", "StillIndexParameters", "index_stills"]

on_demand(__name__, index_stills="index_stills", KnownCell="known_cell")
