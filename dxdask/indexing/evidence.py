"""Evidence of spots for a lattice, against points that lie anywhere in the same region.

Of random points, too, some lie near the points of a lattice: more, the denser it is, and nearly all
along an axis so short that no spot has another index than 0 along it. What a lattice explains is
how much nearer to it the spots are than such points.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, n_rows
from dxdask.indexing.reciprocal import to_datum
from dxdask.models import ExperimentList
from dxdask.models.vectors import unit

FEWEST_POINTS = 2000
MOST_POINTS = 4000
SEED = 7
FINEST = 1e-4


def random_points(spots: Reflections, experiments: ExperimentList) -> Floats:
    """Return random points (m, 3), 1/Angstrom, of the region of reciprocal space of the spots.

    They are those of the spots, rotated about the beam by random angles, at random angles of the
    rotation that the spots span: resolutions and wedge are those of the spots. m is some 2000, or
    more.

    spots : columns experiment, s1, phi_rad.
    """
    n = n_rows(spots)
    rows = np.arange(0, n, max(n // FEWEST_POINTS, 1))
    rows = np.tile(rows, max(-(-FEWEST_POINTS // len(rows)), 1))[:MOST_POINTS]
    rng = np.random.default_rng(SEED)
    out = np.empty((len(rows), 3))
    for i, e in enumerate(experiments):
        mine = np.flatnonzero(spots["experiment"][rows] == i)
        if not len(mine):
            continue
        s1, beam = spots["s1"][rows[mine]], unit(e.beam.s0)
        angle = rng.uniform(0.0, 2.0 * np.pi, len(mine))[:, None]
        along = (s1 @ beam)[:, None] * beam
        turned = along + (s1 - along) * np.cos(angle) + np.cross(beam, s1) * np.sin(angle)
        s0 = beam * np.linalg.norm(s1, axis=1)[:, None]
        own = spots["phi_rad"][spots["experiment"] == i]
        phi = rng.uniform(own.min(), own.max(), len(mine))
        out[mine] = to_datum(turned - s0, phi, e)
    return out


def evidence(a_matrix: Floats, points: Floats, reference: Floats, tolerance: float) -> float:
    """Return the log of the likelihood ratio of a lattice and of no lattice, for points (n, 3).

    It is that of the number of points within the tolerance of an index (binomial), and of their
    distances from it along each axis, each against those of `reference` (m, 3), the random points.
    The distances are compared by their medians, as some of the points that are near are of no
    lattice.
    """
    share, spread, n = _near(a_matrix, points, tolerance)
    chance, wide, _ = _near(a_matrix, reference, tolerance)
    chance = float(np.clip(chance, 1.0 / len(reference), 1.0 - 1.0 / len(reference)))
    if n == 0 or share <= chance:
        return 0.0
    total = n * np.log(share / chance)
    if share < 1.0:
        total += (len(points) - n) * np.log((1.0 - share) / (1.0 - chance))
    ratio = np.maximum(wide, FINEST) / np.maximum(spread, FINEST)
    return float(total + n * np.log(np.maximum(ratio, 1.0)).sum())


def _near(a_matrix: Floats, points: Floats, tolerance: float) -> tuple[float, Floats, int]:
    """Return share and number of points near an index, and the median distance (3,) of these."""
    fractional = points @ np.linalg.inv(a_matrix).T
    off = fractional - np.rint(fractional)
    near = np.all(np.abs(off) <= tolerance, axis=1) & np.any(np.rint(fractional) != 0, axis=1)
    n = int(near.sum())
    if n == 0:
        return 0.0, np.full(3, 0.5 * tolerance), 0
    return n / len(points), np.median(np.abs(off[near]), axis=0), n
