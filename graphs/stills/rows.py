"""The rows of the table of stills, before hits are found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.fate import Fate
from dxdask.graphs.stills.run import StillsRun
from dxdask.still_columns import Stills

EVENT_COLUMNS = (
    "experiment",
    "image",
    "event_id",
    "wavelength",
    "n_strong_pixels",
    "n_spots",
    "hit",
    "reason",
)
"""What `event_rows` and, after it, hit finding know of an event."""


def event_rows(
    image: NDArray[np.int64], n_strong: NDArray[np.int64], failed: Collection[int], run: StillsRun
) -> Stills:
    """Return a row for each of the images (n,).

    n_strong : (n,) strong pixels of each. failed : images that could not be used: as there were too
    many of these, or else as they could not be read or have no pixel that can be used.
    """
    n, place = len(image), image - run.first_z
    bad = np.isin(image, sorted(failed))
    reason = np.where(bad, Fate.UNREADABLE, Fate.NO_HIT)
    reason[bad & (n_strong > 0)] = Fate.TOO_MANY_STRONG_PIXELS
    reason[~bad & ~(run.wavelengths[place] > 0.0)] = Fate.NO_WAVELENGTH
    return {
        "experiment": np.full(n, run.index, np.int32),
        "image": image.astype(np.int32),
        "event_id": run.event_ids[place],
        "wavelength": run.wavelengths[place],
        "n_strong_pixels": n_strong.astype(np.int32),
        "n_spots": np.zeros(n, np.int32),
        "hit": np.zeros(n, np.bool_),
        "reason": reason.astype(np.int32),
    }


def without_wavelength(stills: Stills, run: StillsRun) -> tuple[Mapping[str, Any], ...]:
    """Return a row of the table of problems for each event whose wavelength is not known."""
    images = stills["image"][stills["reason"] == Fate.NO_WAVELENGTH]
    reason = "no wavelength; give one for all with geometry.beam.wavelength"
    return tuple(
        {"run": run.experiment.run, "image": image + 1, "step": "hits", "reason": reason}
        for image in images.tolist()
    )
