"""The space group of integrated reflections, and all crystals in its axes.

symmetry : the step
parameters : its parameters
intensities, normalise, resolution : the intensities that are used
centring : a lattice smaller than indexed
operators, lattice_group : rotations of a lattice, its Laue groups and their axes
correlations, likelihood, laue_group : the Laue group
pair_correlations, forms, common_axes : several crystals in one setting
absences : screw axes
glide_planes : glide planes, centre of symmetry
space_group : the space group and its reference setting
known_group : one setting of a space group that is given, or of a reference
preparation, finished : the intensities before, the rows and models after
unchanged : the result where it cannot be determined
twinning : statistics of twinning and pseudo-translation
tables : what is reported
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.symmetry.parameters import SymmetryParameters

if TYPE_CHECKING:
    from dxdask.symmetry.symmetry import symmetry
    from dxdask.symmetry.unchanged import unchanged

__all__ = ["SymmetryParameters", "symmetry", "unchanged"]

on_demand(__name__, symmetry="symmetry", unchanged="unchanged")
