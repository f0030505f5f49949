"""Indexing: the crystal from the spots, and the settings that its lattice allows.

index : the step. parameters : its parameters. together, separate, automatic : one crystal for all
    runs, or one for each; consensus : the cell that most of those have.
reciprocal, max_cell, overlaps : centroids in reciprocal space, and the longest cell edge.
search_lattice, methods : those that find the lattice: basis vectors, or orientations of a known
    cell.
lattice, lattice_fit, evidence, reduction : lattices that vectors span, ranked by their spots.
candidates, ranking, macrocycles, refinement_settings : the best lattice, and its refinement.
assign, assign_local, sweeps : Miller indices of spots of one lattice or several.
lattices, misorientation, primitive_cells : more lattices in a sweep.
superlattice : spots between the points of the lattice.
fit_quality, refined_fit, fates, causes, trial_fit : whether a lattice or refined models fit, what
    became of the spots, and what is wrong where none fits.
search_beam_position : the step that finds the beam centre.
known_symmetry, conventional, lattice_symmetry : space group and cell of a lattice.
refine_bravais_settings, correlation, setting : the settings of higher symmetry, and the choice of
    one.
stills : indexing of stills.
"""

from typing import TYPE_CHECKING

from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.indexing.index import index
    from dxdask.indexing.refine_bravais_settings import refine_bravais_settings
    from dxdask.indexing.setting import apply_setting

__all__ = [
    "BravaisParameters",
    "IndexParameters",
    "apply_setting",
    "index",
    "refine_bravais_settings",
]

on_demand(
    __name__,
    index="index",
    refine_bravais_settings="refine_bravais_settings",
    apply_setting="setting",
)
