"""Another choice of axes of a lattice: models and Miller indices transformed together.

reindex : the step
parameters : its parameters
operators : changes of basis as text
transform : models and rows in the new axes
space_groups : the space group of new axes, and the axes of a space group
reference, ambiguity : the axes of a reference, among those that the lattice allows
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.reindex.parameters import ReindexParameters

if TYPE_CHECKING:
    from dxdask.reindex.reference import Reference
    from dxdask.reindex.reindex import Solution, reindex

__all__ = ["Reference", "ReindexParameters", "Solution", "reindex"]

on_demand(__name__, Reference="reference", Solution="reindex", reindex="reindex")
