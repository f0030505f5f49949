"""Indexing: the crystal from the spots, and the symmetries its lattice may have."""

from dxdask.indexing.bravais import refine_bravais_settings
from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.indexing.setting import apply_setting
from dxdask.indexing.step import index

__all__ = [
    "BravaisParameters",
    "IndexParameters",
    "apply_setting",
    "index",
    "refine_bravais_settings",
]
