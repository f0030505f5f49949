"""Pictures of thresholds as the page wants them: of an image of the store, parameters as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.models import Detector
from dxdask.parameters.assignments import parse, with_assignments
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.view.frames import Frames, Shown
from dxdask.view.threshold_pictures import Picture, Region, threshold_picture

GROUPS = ("algorithm", "dispersion", "radial_profile", "helen")
"""Parameters of thresholds, by the first part of their names."""


LARGEST_NUMBER = 1000


def pictures_of(
    frames: Frames,
    shown: Shown,
    regions: Sequence[tuple[int, Region]],
    picture: Picture,
    given: Mapping[str, str],
) -> list[NDArray[np.float32]]:
    """Return the pictures (slow, fast) of regions x0, x1, y0, y1 of panels, NaN where masked.

    regions : panel and region. given : parameters of the threshold by their names, as text.

    Raises
    ------
    InputError
        There is no such panel, a region is not on it, or there is no such picture.
    ParameterError
        A parameter is wrong.
    """
    parameters: ThresholdParameters = with_assignments(
        ThresholdParameters(), parse([f"{name}={value}" for name, value in given.items()])
    )
    experiment = frames.experiment(shown.run)
    for panel, region in regions:
        _check(experiment.detector, panel, region)
    frame, masks = frames.image(shown), frames.masks(shown.run)
    found = []
    for panel, region in regions:
        own = experiment.detector[panel]
        counts = np.ascontiguousarray(frame[own.slices])
        found.append(
            threshold_picture(
                counts, masks[panel], own, experiment.beam, parameters, picture, region
            )
        )
    return found


def _check(detector: Detector, panel: int, region: Region) -> None:
    if not 0 <= panel < len(detector):
        raise InputError(f"panel={panel}: there are panels 0 to {len(detector) - 1}")
    width, height = detector[panel].image_size
    x0, x1, y0, y1 = region
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(f"the region {x0} to {x1}, {y0} to {y1} is not on panel {panel}")


def regions_from(text: str) -> list[tuple[int, Region]]:
    """Return regions from their text: panel,x0,x1,y0,y1 with semicolons between them.

    Raises
    ------
    InputError
        The text is not of this form.
    """
    found = []
    for part in text.split(";"):
        try:
            panel, x0, x1, y0, y1 = map(int, part.split(","))
        except ValueError:
            raise InputError(f"regions={part!r}: give panel,x0,x1,y0,y1;...") from None
        found.append((panel, (x0, x1, y0, y1)))
    if len(found) > LARGEST_NUMBER:
        raise InputError(f"regions: give up to {LARGEST_NUMBER}")
    return found
