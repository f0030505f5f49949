"""Spread of the lattice points of a still: by size, mosaicity and the spectrum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats

EDGE = 2.0
"""Standard deviations from the centre of a reflection to the end of its spots."""
TAIL = 0.06
"""Share of the tails in the intensity at no excitation error."""
TAIL_WIDTH = 2.0
"""Half width of the tails at half height, in standard deviations."""


class Spread(NamedTuple):
    """Standard deviations of the normal distributions that model a crystal and its beam.

    Attributes
    ----------
    size : of every lattice point in all directions by the size of coherent blocks, 1/A.
    mosaic : of the orientations of blocks, rad: a point is spread by mosaic |q| across q.
    band : of wavelengths, relative.
    """

    size: float
    mosaic: float
    band: float


def spread_of(domain_size: float, half_mosaicity: float, bandwidth: float) -> Spread:
    """Return the spread of a crystal with these Nave parameters in such a beam.

    The parameters give the end of spots, at `EDGE` standard deviations: a lattice point extends to
    1 / (2 domain_size) (Nave 2014, J. Synchrotron Rad. 21, 537; Sauter et al. 2014, Acta Cryst.
    D70, 3299).

    domain_size : A. half_mosaicity : degree. bandwidth : full width of a flat spectrum, relative.
    """
    return Spread(
        size=0.5 / (domain_size * EDGE),
        mosaic=float(np.radians(half_mosaicity)) / EDGE,
        band=bandwidth / 12.0**0.5,
    )


def profile(x: Floats) -> Floats:
    """Return the intensity (n,) at excitation errors x standard deviations, 1 where x is 0.

    A normal distribution, with the tails of blocks with sharp borders, as in shots simulated with
    ellipsoidal blocks of 80 to 180 nm.
    """
    tails = TAIL / (1.0 + (x / TAIL_WIDTH) ** 2)
    return np.asarray((1.0 - TAIL) * np.exp(-0.5 * x * x) + tails)
