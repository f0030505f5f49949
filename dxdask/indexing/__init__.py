"""Indexing: the crystal from the spots, and the symmetries its lattice may have."""

from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.indexing.step import index

__all__ = ["BravaisParameters", "IndexParameters", "index"]
