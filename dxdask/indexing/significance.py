"""Significance of a lattice: the chance that points at random are as near to some lattice.

Of points at random a share p lies within a tolerance of the points of a lattice, so the number of
those near it is binomial. A lattice is fitted to the spots, which costs some of them: each has
three coordinates. Of the lattices that are tried, at several tolerances, the best is taken, so its
chance is that of one times their number (Bonferroni).
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.indexing.evidence import random_points
from dxdask.indexing.known_symmetry import cell_text
from dxdask.indexing.lattice import MOST_TRIPLETS, sample
from dxdask.indexing.parameters import IndexParameters
from dxdask.models import ExperimentList

TOLERANCES = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05)
SPENT, SPENT_OF_KNOWN_CELL = 5, 3
"""Spots with as many coordinates as there are parameters: cell, orientation, beam and detector; and
without the cell."""
LARGEST_CHANCE = 1e-3
LEAST_CHANCE = 1e-300
"""Smaller ones are taken as this: they cannot be told from zero."""


def log10_chance(a_matrix: Floats, points: Floats, reference: Floats, *, spent: int) -> float:
    """Return log10 of the chance that so many random points are near some lattice, at most 0.

    The smallest of several tolerances, each times the number of lattices tried.

    Parameters
    ----------
    a_matrix : A (3, 3) of a primitive cell, 1/Angstrom.
    points : (n, 3) spots in reciprocal space, 1/Angstrom. reference : (m, 3) random points of the
        same region, by which the share of points near the lattice is known.
    spent : number of spots that the parameters of the fit amount to.
    """
    off, of_reference = (_distances(a_matrix, x) for x in (points, reference))
    best = 0.0
    for tolerance in TOLERANCES:
        share = max(float(np.mean(of_reference <= tolerance)), (2.0 * tolerance) ** 3)
        n_near, n = int(np.sum(off <= tolerance)) - spent, len(points) - spent
        if n_near > 0:
            chance = float(scipy.special.bdtrc(n_near - 1, n, min(share, 1.0)))
            best = min(best, float(np.log10(max(chance, LEAST_CHANCE))))
    return float(min(best + np.log10(MOST_TRIPLETS * len(TOLERANCES)), 0.0))


def _distances(a_matrix: Floats, points: Floats) -> Floats:
    """Return the largest distance (n,) from an index along an axis; infinite for 0 0 0."""
    fractional = points @ np.linalg.inv(a_matrix).T
    nearest = np.rint(fractional)
    off = np.abs(fractional - nearest).max(axis=1)
    return np.where(np.any(nearest != 0, axis=1), off, np.inf)


def chance_text(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> str | None:
    """Return, in words, that the lattice may be one of random spots; None where it is not.

    reflections : all spots, with rlp, s1, phi_rad and experiment.
    """
    crystal = next((e.crystal for e in experiments if e.crystal is not None), None)
    if crystal is None:
        return None
    op = crystal.gemmi_space_group.centred_to_primitive()
    primitive = crystal.a @ np.linalg.inv(np.array(op.rot, dtype=np.float64) / op.DEN).T
    points = sample(reflections["rlp"])
    known = parameters.known_symmetry.unit_cell is not None
    chance = log10_chance(
        primitive, points, random_points(reflections, experiments),
        spent=SPENT_OF_KNOWN_CELL if known else SPENT,
    )  # fmt: skip
    if chance <= np.log10(LARGEST_CHANCE):
        return None
    near = int(np.sum(_distances(primitive, points) <= TOLERANCES[0]))
    advice = "" if known else "the cell (indexing.known_symmetry.unit_cell), "
    return (
        f"the best lattice, of the reduced cell {cell_text(primitive)}, fits {near} of "
        f"{len(points)} spots, as some lattice would fit as many spots at random with a chance of "
        f"{10.0**chance:.2g}: give {advice}more images, or more spots (a lower threshold of "
        "find_spots)"
    )
