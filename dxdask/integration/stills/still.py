"""The reflections of one still, predicted and summed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.integration.corrections import polarisation
from dxdask.integration.stills import summation as s
from dxdask.integration.stills.context import StillsContext
from dxdask.integration.stills.extents import SeenSpots, sharpness
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.integration.stills.shadows import expected_background, radial_background, shadowed
from dxdask.integration.stills.shapes import MOST_CUT, beyond_edges, ellipses
from dxdask.integration.summed_columns import Counts, PixelCounts, summation_flags, summed_columns
from dxdask.models import Beam
from dxdask.prediction.stills.predict_still import Predictions, predict_still
from dxdask.prediction.stills.spread import Spread

CENTROID_SIGMA = 3.0
"""I / sigma from which a spot has the centroid of its counts, not the predicted position."""


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
    context: StillsContext,
    spread: Spread,
    *,
    shifts: Floats | None = None,
    seen: SeenSpots | None = None,
    parameters: StillIntegrationParameters | None = None,
) -> Reflections:
    """Return the reflections of a still, with their summed intensities and centroids.

    Parameters
    ----------
    frame : (slow, fast) counts. mask : (slow, fast), True is good.
    a_matrix : (3, 3) A = U B, 1/A. wavelength : A. context : of the run.
    spread : of lattice points and wavelengths.
    shifts : (panels, 2) px, of spots against their predictions; None: 0.
    seen : extents of its spots; None: as predicted.

    Returns
    -------
    Reflections
        In order of h, k, l; `COLUMN_NAMES` but `experiment` and `z`.
    """
    parameters = parameters or StillIntegrationParameters()
    found = predict_still(
        a_matrix, wavelength, context, spread, n_sigma=parameters.prediction.n_sigma
    )
    x, y = found.x, found.y
    if shifts is not None:
        x, y = x + shifts[found.panel, 0], y + shifts[found.panel, 1]
    given = parameters.summation
    factor = 1.0 if seen is None else sharpness(found, seen.hkl, seen.extents)
    shapes, halves = ellipses(factor * found.covariance, given.n_sigma, given.radius)
    strong = found.partiality >= given.neighbour_partiality
    marks = np.zeros(frame.shape, np.uint8)
    s.mark(found.panel, x, y, shapes, halves, strong, context.panels, marks)
    sums = np.zeros((len(x), s.N_SUMS))
    counts = np.zeros((len(x), s.N_COUNTS), np.int64)
    settings = (given.background_inner, given.background_outer, given.background_n_sigma)
    s.sum_pixels(
        frame, mask, marks, found.panel, x, y, shapes, halves, strong, context.panels,
        context.trusted, context.pixels, np.array(settings), sums, counts,
    )  # fmt: skip
    table = _table(found, x, y, sums, counts, context.beam)
    sizes = context.panels.image_size[found.panel]
    _flag_bad(table, beyond_edges(x, y, factor * found.covariance, sizes) > MOST_CUT)
    if given.shadow > 0.0:
        _flag_shadows(table, frame, mask, context, sums, counts, given.shadow)
    return table


def _flag_bad(table: Reflections, bad: NDArray[np.bool_]) -> None:
    """Flag rows as not integrated, for bad pixels in the foreground."""
    flags = table["flags"]
    flags[bad] |= np.uint32(Flag.FOREGROUND_INCLUDES_BAD_PIXELS | Flag.FAILED_DURING_SUMMATION)
    flags[bad] &= np.uint32(~Flag.INTEGRATED_SUM & 0xFFFFFFFF)


def _flag_shadows(
    table: Reflections,
    frame: NDArray[Any],
    mask: NDArray[np.bool_],
    context: StillsContext,
    sums: Floats,
    counts: Counts,
    fraction: float,
) -> None:
    level = radial_background(frame, mask, context.grid, context.pixels)
    expected = expected_background(level, context.grid, table["d"], table["lp"])
    dark = shadowed(
        sums[:, s.DARKEST], counts[:, s.N_DARKEST],
        sums[:, s.VARIANCE] + expected, table["background_mean"],
        table["n_background"], expected, fraction,
    )  # fmt: skip
    _flag_bad(table, dark)


def _table(
    found: Predictions, x: Floats, y: Floats, sums: Floats, counts: Counts, beam: Beam
) -> Reflections:
    known = np.isfinite(sums[:, s.BACKGROUND])
    mean, under, variance = (
        np.where(known, sums[:, i], 0.0) for i in (s.BACKGROUND, s.UNDER, s.VARIANCE)
    )
    pixels = _pixel_counts(counts)
    intensity = np.where(known, sums[:, s.TOTAL] - under, 0.0)
    # the spot's own photons are Poisson; the background has the variance of the pixels around
    n, n_around = pixels.foreground, np.maximum(pixels.background, 1)
    under_variance = variance * n * (1.0 + n / n_around)
    total_variance = np.maximum(intensity, 0.0) + under_variance
    seen = known & (intensity > CENTROID_SIGMA * np.sqrt(total_variance))
    safe = np.where(seen, intensity, 1.0)
    off_x = (sums[:, s.MOMENT_X] - mean * sums[:, s.PIXELS_X]) / safe
    off_y = (sums[:, s.MOMENT_Y] - mean * sums[:, s.PIXELS_Y]) / safe
    return {
        "panel": found.panel,
        "hkl": found.hkl,
        "flags": np.uint32(Flag.PREDICTED) | summation_flags(pixels, known),
        "s1": found.s1,
        "x": np.where(seen, x + off_x, x),
        "y": np.where(seen, y + off_y, y),
        "x_cal": found.x,
        "y_cal": found.y,
        "d": found.d,
        "excitation_error": found.excitation_error,
        "excitation_sigma": found.sigma,
        "partiality": found.partiality,
        "lp": 1.0 / polarisation(found.s1, beam),
        **summed_columns(
            pixels,
            intensity=intensity,
            variance=total_variance,
            background_mean=mean,
            background_sum=under,
            background_sum_variance=under_variance,
        ),
    }


def _pixel_counts(counts: Counts) -> PixelCounts:
    return PixelCounts(
        foreground=counts[:, s.FOREGROUND],
        background=counts[:, s.AROUND],
        invalid=counts[:, s.BAD],
        saturated=counts[:, s.SATURATED],
        overlapped=counts[:, s.SHARED],
        background_bad=counts[:, s.BAD_AROUND],
    )
