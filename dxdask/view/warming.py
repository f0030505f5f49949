"""What the page asks for first, made when the server starts: kernels are loaded meanwhile."""

from __future__ import annotations

import logging

import numpy as np

from dxdask.errors import DxdaskError, plain
from dxdask.models import Beam, Panel
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.view.frames import Frames, Shown
from dxdask.view.overlays import predictions_of, spots_of
from dxdask.view.tables import Tables
from dxdask.view.threshold_pictures import threshold_picture

log = logging.getLogger("dxdask")
LEVEL = 2
SIZE = 64


def warm(frames: Frames, tables: Tables) -> None:
    """Read the first image of a store with its spots and models, and load the kernels.

    Called in a thread. What fails, as in a store that is being written, fails again when the page
    asks for it, and is told there.
    """
    try:
        store = frames.store()
        if not store.runs:
            return
        run = store.runs[0]
        first = frames.experiment(run).first_image
        frames.geometry(run)
        frames.level(Shown(run, first), LEVEL)
        spots_of(store, tables, run, (first - 1, first))
        predictions_of(store, tables, run, (first - 1, first))
        _load_threshold(np.dtype(store.frames_shape(run)[1]), frames.models(run)[0].beam)
        frames.masks(run)
    except (DxdaskError, OSError, ValueError) as error:
        log.debug("view: %s", plain(error))


def _load_threshold(dtype: np.dtype[np.generic], beam: Beam) -> None:
    """Load the kernels of the threshold that the page has at its start, for counts so stored."""
    panel = Panel(image_size=(SIZE, SIZE), pixel_size=(0.1, 0.1), origin=(0.0, 0.0, -100.0))
    counts = np.zeros((SIZE, SIZE), dtype)
    threshold_picture(
        counts, np.ones(counts.shape, np.bool_), panel, beam, ThresholdParameters(), "result",
        (0, SIZE, 0, SIZE),
    )  # fmt: skip
