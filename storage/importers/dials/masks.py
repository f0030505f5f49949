"""Masks as DIALS writes them: a pickled tuple of arrays of booleans, one a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector
from dxdask.storage.importers.dials.pickled import on_frame, panel_arrays


def read_dials_mask(path: Path, detector: Detector, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (slow, fast) of the frame from one of DIALS's, True where a pixel is used.

    Raises
    ------
    FormatError
        It cannot be read, is no mask, or is one of other panels.
    """
    arrays = panel_arrays(path, detector, "booleans")
    return on_frame(arrays, detector, np.ones(shape, dtype=np.bool_))
