"""How far lattice points of a still are spread: by size, mosaicity and the spectrum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats

EDGE = 2.0
"""Standard deviations from the middle of a reflection to where its spots are seen to end."""


TAIL = 0.06
"""Part of the intensity at no excitation error that belongs to the tails of a reflection."""
TAIL_WIDTH = 2.0
"""Half width of the tails at half height, in standard deviations."""


class Spread(NamedTuple):
    """Standard deviations of the normal distributions that stand for a crystal and its beam.

    Attributes
    ----------
    size : of every lattice point in all directions, 1/A, as coherent blocks are small.
    mosaic : of the orientations of blocks, rad: a point spreads by mosaic |q| across q.
    band : of wavelengths, relative.
    """

    size: float
    mosaic: float
    band: float


def spread_of(domain_size: float, half_mosaicity: float, bandwidth: float) -> Spread:
    """Return the spread of a crystal with these Nave parameters in such a beam.

    The parameters say where spots end, at `EDGE` standard deviations: a lattice point reaches
    1 / (2 domain_size) far (Nave 2014, J. Synchrotron Rad. 21, 537; Sauter et al. 2014, Acta
    Cryst. D70, 3299).

    domain_size : A. half_mosaicity : degree. bandwidth : full width of a flat spectrum, relative.
    """
    return Spread(
        size=0.5 / (domain_size * EDGE),
        mosaic=float(np.radians(half_mosaicity)) / EDGE,
        band=bandwidth / 12.0**0.5,
    )


def profile(x: Floats) -> Floats:
    """Return the intensity (n,) at excitation errors x standard deviations, 1 where x is 0.

    A normal distribution, and tails as blocks with sharp borders have them; the tails are as seen
    in shots simulated with ellipsoidal blocks of 80 to 180 nm.
    """
    tails = TAIL / (1.0 + (x / TAIL_WIDTH) ** 2)
    return np.asarray((1.0 - TAIL) * np.exp(-0.5 * x * x) + tails)
