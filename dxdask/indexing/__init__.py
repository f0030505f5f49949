"""Indexing: the crystal from the spots, and the settings that its lattice allows.

index : the step. parameters : its parameters. together, separate : one crystal for all runs, or one
    for each run.
reciprocal, max_cell, overlaps : centroids in reciprocal space, and the longest cell edge.
methods : those that find the lattice: basis vectors, or orientations of a known cell.
lattice, lattice_fit, evidence, reduction : lattices that vectors span, ranked by their spots.
candidates, ranking, assign, macrocycles, refinement_settings : the best lattice, Miller indices,
    refinement.
superlattice : spots between the points of the lattice.
known_symmetry, conventional, lattice_symmetry : space group and cell of a lattice.
refine_bravais_settings, correlation, setting : the settings of higher symmetry, and the choice of
    one.
stills : indexing of stills.
"""

from dxdask.indexing.index import index
from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.indexing.refine_bravais_settings import refine_bravais_settings
from dxdask.indexing.setting import apply_setting

__all__ = [
    "BravaisParameters",
    "IndexParameters",
    "apply_setting",
    "index",
    "refine_bravais_settings",
]
