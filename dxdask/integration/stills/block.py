"""Integration of the indexed stills of a block of frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, concatenate, empty, has_flag
from dxdask.errors import InputError
from dxdask.fate import Fate
from dxdask.integration.stills.adaptive import integrate_adapted
from dxdask.integration.stills.context import StillsContext
from dxdask.integration.stills.extents import SeenSpots, extents
from dxdask.integration.stills.panel_shifts import panel_shifts
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.integration.stills.still import COLUMN_NAMES, integrate_still
from dxdask.prediction.stills.predict_still import predict_still
from dxdask.prediction.stills.spread import spread_of
from dxdask.still_columns import Stills

USUAL_DOMAIN_SIZE = 1000.0
"""Domain size, A, of the first round for a still without one."""
SPOTS_WITHIN = 6.0
"""Standard deviations of the excitation error within which spots are compared to predictions."""


class IntegratedStills(NamedTuple):
    """Reflections of several stills, and their rows of the table of stills."""

    reflections: Reflections
    stills: Stills


def integrate_block(
    frames: NDArray[Any],
    first_image: int,
    stills: Stills,
    spots: Reflections,
    mask: NDArray[np.bool_],
    context: StillsContext,
    parameters: StillIntegrationParameters | None = None,
) -> IntegratedStills:
    """Return the reflections of the indexed stills of a block of frames of one run.

    No still depends on the others.

    Parameters
    ----------
    frames : (n, slow, fast) counts. first_image : index in the run of the first of them.
    stills : rows of these frames of the run; columns experiment, image, indexed, wavelength,
        a_matrix, and domain_size and half_mosaicity where known.
    spots : with hkl, panel, x, y, z and flags, and bbox where known, of these images.
    mask : (slow, fast), True is good.
    context : of the run, from `stills_context`.

    Returns
    -------
    IntegratedStills
        Reflections in order of stills, then h, k, l: experiment, z (image + 0.5), panel, hkl,
        flags, s1, x, y, x_cal, y_cal, d, excitation_error, excitation_sigma, partiality (as
        estimated from these two), lp, intensity_sum, background_... and n_...; those flagged
        INTEGRATED_SUM and not OVERLAPPED_FG are merged. Stills with domain_size, half_mosaicity,
        bandwidth and reason.

    Raises
    ------
    InputError
        Mask and frames differ in shape, or the frame of a still is not in the block.
    """
    parameters = parameters or StillIntegrationParameters()
    if mask.shape != frames.shape[1:]:
        raise InputError(f"mask {mask.shape} and frames {frames.shape[1:]} must agree in shape")
    out, tables = _with_widths(stills, parameters), []
    image_of_spot = np.floor(spots["z"]).astype(np.int64)
    indexed = has_flag(spots, Flag.INDEXED)
    for row in np.flatnonzero(stills["indexed"]):
        image = int(stills["image"][row])
        if not 0 <= image - first_image < len(frames):
            raise InputError(
                f"still of image {image}: frames are of images {first_image} to "
                f"{first_image + len(frames) - 1}; give the rows of these"
            )
        own = indexed & (image_of_spot == image)
        table = _integrated(
            frames[image - first_image], mask, row, out, {n: v[own] for n, v in spots.items()},
            context, parameters,
        )  # fmt: skip
        n = len(table["d"])
        tables.append(
            {"experiment": np.full(n, stills["experiment"][row]), "z": np.full(n, image + 0.5)}
            | table
        )
        out["reason"][row] = Fate.INTEGRATED
    return IntegratedStills(concatenate(tables) if tables else empty(COLUMN_NAMES), out)


def _integrated(
    frame: NDArray[Any],
    mask: NDArray[np.bool_],
    row: np.int64,
    stills: Stills,
    spots: Reflections,
    context: StillsContext,
    parameters: StillIntegrationParameters,
) -> Reflections:
    """Return the reflections of the still in `row`, whose widths in the table are set."""
    a_matrix, wavelength = stills["a_matrix"][row], float(stills["wavelength"][row])
    size, mosaicity = float(stills["domain_size"][row]), float(stills["half_mosaicity"][row])
    spread = spread_of(size, mosaicity, float(stills["bandwidth"][row]))
    shifts = None
    if parameters.summation.follow_panels:
        found = predict_still(a_matrix, wavelength, context, spread, n_sigma=SPOTS_WITHIN)
        xy = np.stack([spots["x"], spots["y"]], axis=1)
        shifts = panel_shifts(found, spots["hkl"], spots["panel"], xy, len(context.trusted))
    seen = None
    if parameters.summation.follow_spots:
        seen = SeenSpots(spots["hkl"], extents(frame, mask, spots, context.panels, context.pixels))
    given = parameters.prediction
    if given.domain_size is not None and given.half_mosaicity is not None:
        return integrate_still(
            frame, mask, a_matrix, wavelength, context, spread, shifts=shifts, seen=seen,
            parameters=parameters,
        )  # fmt: skip
    adapted = integrate_adapted(
        frame, mask, a_matrix, wavelength, context, spread, shifts=shifts, seen=seen,
        parameters=parameters,
    )  # fmt: skip
    stills["domain_size"][row] = size / adapted.of_size
    stills["half_mosaicity"][row] = mosaicity * adapted.of_mosaicity
    return adapted.reflections


def _with_widths(stills: Stills, parameters: StillIntegrationParameters) -> Stills:
    """Return the table with the first widths: as in the parameters, or of the spots."""
    n, given = len(stills["image"]), parameters.prediction
    out = dict(stills)
    for name, fixed, usual in (
        ("domain_size", given.domain_size, USUAL_DOMAIN_SIZE),
        ("half_mosaicity", given.half_mosaicity, 0.0),
    ):
        known = stills.get(name, np.full(n, np.nan))
        started = np.where(np.isfinite(known), known, usual)
        out[name] = started if fixed is None else np.full(n, fixed)
    out["bandwidth"] = np.full(n, given.bandwidth)
    out["reason"] = stills.get("reason", np.full(n, Fate.NOT_INDEXED, np.int32)).copy()
    return out
