"""Which images of a run spot finding looks at, and whether each stands alone."""

from __future__ import annotations

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.spotfinding.parameters import SpotfinderParameters


def first_z(experiment: Experiment) -> int:
    """Return z of the first frame of the run: its array index, 0 where there is no scan."""
    return experiment.scan.array_range[0] if experiment.scan is not None else 0


def is_two_d(experiment: Experiment, parameters: SpotfinderParameters) -> bool:
    """Return whether spots end with their image: stills, or `force_2d`."""
    scan = experiment.scan
    return parameters.force_2d or scan is None or scan.is_still


def unused_frames(
    n_frames: int, first: int, parameters: SpotfinderParameters, *, first_of_run: int, n_run: int
) -> frozenset[int]:
    """Return which frames (from 0) of a block that begins at z = first `scan_range` leaves out.

    Raises
    ------
    InputError
        A range is not in ascending order, or leaves the run.
    """
    if not parameters.scan_range:
        return frozenset()
    last_image = first_of_run + n_run
    for low, high in parameters.scan_range:
        if not first_of_run < low <= high <= last_image:
            raise InputError(
                f"scan_range={low},{high} is not within images {first_of_run + 1} to {last_image}; "
                "give the first and the last image number"
            )
    return frozenset(
        f
        for f in range(n_frames)
        if not any(low <= first + f + 1 <= high for low, high in parameters.scan_range)
    )
