"""The laboratory frame of data whose files have one of their own."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.models.vectors import unit


def laboratory_frame(source: Floats, axis: Floats) -> Floats:
    """Return the rotation (3, 3) to the frame with z to the source and x by the rotation axis.

    source : direction (3,) towards the source. axis : (3,), not along it; x is its part across the
        beam.
    """
    z = unit(source)
    x = unit(np.asarray(axis) - (axis @ z) * z)
    return np.stack([x, np.cross(z, x), z])
