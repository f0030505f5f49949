"""Integration of a still with the width of reflections fitted to its own intensities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration.stills.context import StillsContext
from dxdask.integration.stills.extents import SeenSpots
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.integration.stills.still import integrate_still
from dxdask.integration.stills.width import width_factor
from dxdask.prediction.stills.spread import Spread

ROUNDS = 3
CLOSE_ENOUGH = 1.1
"""Widths that differ by less than this factor are taken as equal: the precision of one still."""


class Adapted(NamedTuple):
    """Reflections of a still, and the factors between the fitted and the given widths.

    Attributes
    ----------
    of_size, of_mosaicity : of the widths of lattice points by the size of blocks, and by their
    mosaicity.
    """

    reflections: Reflections
    of_size: float
    of_mosaicity: float


def integrate_adapted(
    frame: NDArray[Any],
    mask: NDArray[np.bool_],
    a_matrix: Floats,
    wavelength: float,
    context: StillsContext,
    spread: Spread,
    *,
    shifts: Floats | None,
    seen: SeenSpots | None,
    parameters: StillIntegrationParameters,
) -> Adapted:
    """Return the reflections of a still (see `integrate_still`), with fitted widths.

    Spots do not determine the width: strong reflections are seen far from the sphere. So the still
    is integrated again with the width fitted to its intensities, until that does not change. A
    domain size or mosaicity that `parameters` set is kept.
    """
    given, factor = parameters.prediction, 1.0
    for i in range(ROUNDS):
        of_size = factor if given.domain_size is None else 1.0
        of_mosaicity = factor if given.half_mosaicity is None else 1.0
        now = Spread(spread.size * of_size, spread.mosaic * of_mosaicity, spread.band)
        table = integrate_still(
            frame, mask, a_matrix, wavelength, context, now, shifts=shifts, seen=seen,
            parameters=parameters,
        )  # fmt: skip
        change = _width_of(table)
        if i + 1 == ROUNDS or 1.0 / CLOSE_ENOUGH < change < CLOSE_ENOUGH:
            break
        factor *= change
    return Adapted(table, of_size, of_mosaicity)


def _width_of(table: Reflections) -> float:
    good = has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, Flag.OVERLAPPED_FG)
    lp = table["lp"][good]
    return width_factor(
        table["intensity_sum"][good] * lp,
        table["intensity_sum_variance"][good] * lp**2,
        table["excitation_error"][good] / table["excitation_sigma"][good],
        table["d"][good],
    )
