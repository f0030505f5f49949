"""Pictures of thresholds as the page wants them: of an image of the store, parameters as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.masking import MaskParameters, panel_masks
from dxdask.models import Experiment
from dxdask.parameters.assignments import parse, with_assignments
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.storage.store.store import Store
from dxdask.view.frames import Shown
from dxdask.view.replies import Viewer
from dxdask.view.threshold_pictures import Picture, Region, threshold_picture

GROUPS = ("algorithm", "dispersion", "radial_profile", "helen")
"""Parameters of thresholds, by the first part of their names."""


def picture_of(
    viewer: Viewer,
    shown: Shown,
    panel: int,
    region: Region,
    picture: Picture,
    given: Mapping[str, str],
) -> NDArray[np.float32]:
    """Return the picture (slow, fast) of a region x0, x1, y0, y1 of a panel.

    given : parameters of the threshold by their names, as text.

    Raises
    ------
    InputError
        There is no such panel, the region is not on it, or there is no such picture.
    ParameterError
        A parameter is wrong.
    """
    parameters: ThresholdParameters = with_assignments(
        ThresholdParameters(), parse([f"{name}={value}" for name, value in given.items()])
    )
    store = viewer.frames.store()
    experiment = viewer.frames.experiment(shown.run)
    frame = viewer.frames.image(shown)
    if not 0 <= panel < len(experiment.detector):
        raise InputError(f"panel={panel}: there are panels 0 to {len(experiment.detector) - 1}")
    own = experiment.detector[panel]
    x0, x1, y0, y1 = region
    if not (0 <= x0 < x1 <= own.image_size[0] and 0 <= y0 < y1 <= own.image_size[1]):
        raise InputError(f"the region {x0} to {x1}, {y0} to {y1} is not on panel {panel}")
    mask = _masks(store, shown.run, experiment)[panel]
    counts: NDArray[Any] = np.ascontiguousarray(frame[own.slices])
    return threshold_picture(
        counts, mask, own, experiment.beam, parameters, picture, (x0, x1, y0, y1)
    )


_held: dict[tuple[str, str], tuple[Mask, list[Mask]]] = {}


def _masks(store: Store, run: str, experiment: Experiment) -> list[Mask]:
    """Return the masks of the panels of a run; those asked for last are held.

    A view of many panels asks for each of them, at each move of a slider.
    """
    key, frame = (str(store.path), run), store.mask(run)
    held = _held.get(key)
    if held is None or not np.array_equal(held[0], frame):
        found = panel_masks(experiment.detector, experiment.beam, frame, MaskParameters())
        _held.clear()
        held = _held[key] = frame, list(found)
    return held[1]
