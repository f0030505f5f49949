"""The reflections of one still, predicted and summed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.integration.stills import summation as s
from dxdask.integration.stills.extents import SeenSpots, sharpness
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.integration.stills.prediction import Predictions, Setup, predict
from dxdask.integration.stills.shadows import expected_background, radial_background, shadowed
from dxdask.integration.stills.shapes import MOST_CUT, beyond_edges, ellipses
from dxdask.integration.stills.spread import Spread

Counts = NDArray[np.int64]

CENTROID_SIGMA = 3.0
"""Spots are given the centre of their counts where they stand out so far, else that predicted."""


COLUMN_NAMES = (
    "experiment", "z", "panel", "hkl", "flags", "s1", "x", "y", "x_cal", "y_cal", "d",
    "excitation_error", "excitation_sigma", "partiality", "lp", "intensity_sum",
    "intensity_sum_variance", "background_mean", "background_sum", "background_sum_variance",
    "n_foreground", "n_background", "n_invalid", "n_saturated",
)  # fmt: skip


def integrate_still(
    frame: NDArray[Any],
    mask: NDArray[np.bool_],
    a_matrix: Floats,
    wavelength: float,
    shared: Setup,
    spread: Spread,
    *,
    shifts: Floats | None = None,
    seen: SeenSpots | None = None,
    parameters: StillIntegrationParameters | None = None,
) -> Reflections:
    """Return the reflections of a still, with what is measured of each.

    Parameters
    ----------
    frame : (slow, fast) counts. mask : (slow, fast), True is good.
    a_matrix : (3, 3) A = U B, 1/A. wavelength : A. shared : see `setup`.
    spread : of lattice points and wavelengths.
    shifts : (panels, 2) px by which spots are seen off their predictions; None: 0.
    seen : extents of its spots; None: as large as predicted.

    Returns
    -------
    Reflections
        In order of h, k, l; `COLUMN_NAMES` but `experiment` and `z`.
    """
    parameters = parameters or StillIntegrationParameters()
    found = predict(a_matrix, wavelength, shared, spread, n_sigma=parameters.prediction.n_sigma)
    x, y = found.x, found.y
    if shifts is not None:
        x, y = x + shifts[found.panel, 0], y + shifts[found.panel, 1]
    given = parameters.summation
    factor = 1.0 if seen is None else sharpness(found, seen.hkl, seen.extents)
    shapes, halves = ellipses(factor * found.covariance, given.n_sigma, given.radius)
    strong = found.partiality >= given.neighbour_partiality
    marks = np.zeros(frame.shape, np.uint8)
    s.mark(found.panel, x, y, shapes, halves, strong, shared.panels, marks)
    sums = np.zeros((len(x), s.N_SUMS))
    counts = np.zeros((len(x), s.N_COUNTS), np.int64)
    settings = (given.background_inner, given.background_outer, given.background_n_sigma)
    s.sum_pixels(
        frame, mask, marks, found.panel, x, y, shapes, halves, strong, shared.panels,
        shared.trusted, shared.gain, np.array(settings), sums, counts,
    )  # fmt: skip
    table = _table(found, x, y, sums, counts, shared.gain[found.panel])
    sizes = shared.panels.image_size[found.panel]
    _flag_bad(table, beyond_edges(x, y, factor * found.covariance, sizes) > MOST_CUT)
    if given.shadow > 0.0:
        _flag_shadows(table, frame, mask, shared, sums, counts, given.shadow)
    return table


def _flag_bad(table: Reflections, bad: NDArray[np.bool_]) -> None:
    """Flag what was summed but does not tell the intensity."""
    flags = table["flags"]
    flags[bad] |= np.uint32(Flag.FOREGROUND_INCLUDES_BAD_PIXELS | Flag.FAILED_DURING_SUMMATION)
    flags[bad] &= np.uint32(~Flag.INTEGRATED_SUM & 0xFFFFFFFF)


def _flag_shadows(
    table: Reflections, frame: NDArray[Any], mask: NDArray[np.bool_], shared: Setup, sums: Floats,
    counts: Counts, fraction: float,
) -> None:  # fmt: skip
    level = radial_background(frame, mask, shared.grid, float(shared.gain.max()))
    expected = expected_background(level, shared.grid, table["d"], table["lp"])
    dark = shadowed(
        sums[:, s.DARKEST], counts[:, s.N_DARKEST],
        sums[:, s.VARIANCE] + shared.gain[table["panel"]] * expected, table["background_mean"],
        table["n_background"], expected, fraction,
    )  # fmt: skip
    _flag_bad(table, dark)


def _table(
    found: Predictions, x: Floats, y: Floats, sums: Floats, counts: Counts, gain: Floats
) -> Reflections:
    n, around = counts[:, s.FOREGROUND], np.maximum(counts[:, s.AROUND], 1)
    known = np.isfinite(sums[:, s.BACKGROUND])
    mean, under, variance = (
        np.where(known, sums[:, i], 0.0) for i in (s.BACKGROUND, s.UNDER, s.VARIANCE)
    )
    intensity = np.where(known, sums[:, s.TOTAL] - under, 0.0)
    # counts of the spot are Poisson; those under it vary as around it, where also noise is seen
    below = variance * n * (1.0 + n / around)
    total = gain * np.maximum(intensity, 0.0) + below
    seen = known & (intensity > CENTROID_SIGMA * np.sqrt(total))
    safe = np.where(seen, intensity, 1.0)
    off_x = (sums[:, s.MOMENT_X] - mean * sums[:, s.PIXELS_X]) / safe
    off_y = (sums[:, s.MOMENT_Y] - mean * sums[:, s.PIXELS_Y]) / safe
    return {
        "panel": found.panel,
        "hkl": found.hkl,
        "flags": _flags(counts, known),
        "s1": found.s1,
        "x": np.where(seen, x + off_x, x),
        "y": np.where(seen, y + off_y, y),
        "x_cal": found.x,
        "y_cal": found.y,
        "d": found.d,
        "excitation_error": found.excitation_error,
        "excitation_sigma": found.sigma,
        "partiality": found.partiality,
        "lp": found.lp,
        "intensity_sum": intensity,
        "intensity_sum_variance": total,
        "background_mean": mean,
        "background_sum": under,
        "background_sum_variance": below,
        "n_foreground": n.astype(np.int32),
        "n_background": counts[:, s.AROUND].astype(np.int32),
        "n_invalid": counts[:, s.BAD].astype(np.int32),
        "n_saturated": counts[:, s.SATURATED].astype(np.int32),
    }


def _flags(counts: Counts, known: NDArray[np.bool_]) -> NDArray[np.uint32]:
    bad, saturated = counts[:, s.BAD] > 0, counts[:, s.SATURATED] > 0
    good = known & ~bad & ~saturated & (counts[:, s.FOREGROUND] > 0)
    flags = np.full(len(counts), Flag.PREDICTED, np.uint32)
    for rows, bit in (
        (good, Flag.INTEGRATED_SUM),
        (~good, Flag.FAILED_DURING_SUMMATION),
        (~known, Flag.FAILED_DURING_BACKGROUND_MODELLING),
        (saturated, Flag.OVERLOADED),
        (bad, Flag.FOREGROUND_INCLUDES_BAD_PIXELS),
        (counts[:, s.BAD_AROUND] > 0, Flag.BACKGROUND_INCLUDES_BAD_PIXELS),
        (counts[:, s.SHARED] > 0, Flag.OVERLAPPED_FG),
    ):
        flags[rows] |= np.uint32(bit)
    return flags
