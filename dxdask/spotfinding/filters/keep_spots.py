"""Spots that pass the filters, and DIALS's messages about the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import Detector
from dxdask.spotfinding.boxes import Boxes, boxes_around
from dxdask.spotfinding.filters.density import is_sparse
from dxdask.spotfinding.filters.gradient import is_flat, margin
from dxdask.spotfinding.parameters import FilterParameters, SpotfinderParameters
from dxdask.spotfinding.shoeboxes import Surroundings

Rows = NDArray[np.bool_]


def needs_surroundings(parameters: SpotfinderParameters) -> bool:
    """Return True if all pixels of the boxes are needed, so that frames are read again."""
    return parameters.output.shoeboxes or parameters.filter.background_gradient.filter


def is_near(separation: NDArray[np.float64], parameters: FilterParameters) -> Rows:
    """Return True (n,) for spots whose peak is near their centroid; separation in px."""
    limit = parameters.max_separation
    return np.ones(separation.size, np.bool_) if limit is None else separation <= limit


def boxes_wanted(
    table: Reflections, near: Rows, detector: Detector, parameters: SpotfinderParameters
) -> Boxes:
    """Return the boxes of the spots `near`, widened as the filter of gradients needs them."""
    gradient = parameters.filter.background_gradient
    wider = margin(gradient.background_size) if gradient.filter else 0
    return boxes_around(table["panel"][near], table["bbox"][near], detector, margin=wider)


def keep_spots(
    table: Reflections,
    separation: NDArray[np.float64],
    parameters: FilterParameters,
    around: Surroundings | None = None,
) -> tuple[Rows, list[str]]:
    """Return True (n,) for spots that pass all enabled filters, and DIALS's messages about them.

    Filters are those of dials.find_spots in their order: peak-centroid distance, background
    gradient, spot density; the last counts all spots, also those that the others reject.

    around : of the spots that `is_near` keeps, from `boxes_wanted`; for the gradient only.

    Raises
    ------
    InputError
        The filter of gradients is enabled, and `around` is None.
    """
    lines: list[str] = []
    keep = np.ones(separation.size, np.bool_)

    def apply(passed: Rows, by: str) -> None:
        before = int(keep.sum())
        keep[:] &= passed
        lines.append(f"Filtered {keep.sum()} of {before} spots by {by}")

    near = is_near(separation, parameters)
    if parameters.max_separation is not None:
        apply(near, "peak-centroid distance")
    gradient = parameters.background_gradient
    if gradient.filter:
        flat = np.ones(separation.size, np.bool_)
        pixels = require_surroundings(around)
        flat[near] = is_flat(pixels, table["bbox"][near], gradient.gradient_cutoff)
        apply(flat, "background gradient")
    if parameters.spot_density.filter:
        apply(is_sparse(table["panel"], table["x"], table["y"]), "spot density")
    return keep, lines


def require_surroundings(around: Surroundings | None) -> Surroundings:
    """Return the pixels around spots.

    Raises
    ------
    InputError
        They have not been cut out of the frames.
    """
    if around is None:
        raise InputError(
            "output.shoeboxes and filter.background_gradient take all pixels around the spots; "
            "cut them out of the frames (dxdask.spotfinding.shoeboxes) and give them as `around`"
        )
    return around
