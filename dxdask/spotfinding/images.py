"""Images of a run that spot finding uses, by ranges of z."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.spotfinding.parameters import SpotfinderParameters

ZRange: TypeAlias = tuple[int, int]


def first_z(experiment: Experiment) -> int:
    """Return z of the first frame of the run: its array index, 0 where there is no scan."""
    return experiment.first_image - 1


def is_two_d(experiment: Experiment, parameters: SpotfinderParameters) -> bool:
    """Return True if no spot extends over two images: stills, or `force_2d`."""
    scan = experiment.scan
    return parameters.force_2d or scan is None or scan.is_still


def z_ranges(
    experiment: Experiment, parameters: SpotfinderParameters, n_run: int
) -> tuple[ZRange, ...]:
    """Return first <= z < stop of each range of images to use, in a run of `n_run` frames.

    Raises
    ------
    InputError
        A range is not in ascending order, or not within the run.
    """
    start = first_z(experiment)
    last_image = start + n_run
    for low, high in parameters.scan_range:
        if not start < low <= high <= last_image:
            raise InputError(
                f"scan_range={low},{high} is not within images {start + 1} to {last_image} of "
                f"{experiment.run}; give the first and the last image number"
            )
    whole = ((start, last_image),)
    return tuple((low - 1, high) for low, high in parameters.scan_range) or whole


def is_used(z: int, ranges: Sequence[ZRange]) -> bool:
    """Return True if z is in one of the ranges."""
    return any(low <= z < high for low, high in ranges)
