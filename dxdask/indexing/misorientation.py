"""Angle between the orientations of two lattices, the smallest over their symmetry."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.reduction import niggli_reduced
from dxdask.indexing.stills.lattice_signature import UNIMODULAR
from dxdask.models import Crystal

LARGEST_STRAIN = 0.05


def primitive_a(crystal: Crystal) -> Floats:
    """Return A (3, 3) in the Niggli-reduced primitive cell of a crystal."""
    to_primitive = crystal.gemmi_space_group.centred_to_primitive()
    change = np.array(to_primitive.rot, dtype=np.float64) / to_primitive.DEN
    return niggli_reduced(crystal.a @ np.linalg.inv(change).T)


def misorientation(first: Crystal, second: Crystal) -> float:
    """Return the smallest angle (degrees) of a rotation that takes one lattice to the other.

    All settings of the second, in its reduced primitive cell, that are the first's up to a strain
    of `LARGEST_STRAIN` are tried: those of the symmetry of the lattice, which Laue operators of the
    crystal are part of. 180 where none is: the cells differ.
    """
    return lattice_misorientation(primitive_a(first), primitive_a(second))


def lattice_misorientation(first: Floats, second: Floats) -> float:
    """Return `misorientation` of lattices given by their reduced primitive A (3, 3)."""
    change = first @ UNIMODULAR @ np.linalg.inv(second)
    left, strain, right = np.linalg.svd(change)
    alike = np.abs(np.log(strain)).max(axis=1) < LARGEST_STRAIN
    if not alike.any():
        return 180.0
    rotations = left[alike] @ right[alike]
    rotations *= np.sign(np.linalg.det(rotations))[:, None, None]
    cosine = (np.trace(rotations, axis1=1, axis2=2).max() - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
