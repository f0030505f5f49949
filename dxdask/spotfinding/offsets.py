"""Offsets of ragged lists, such as the pixels of each spot or of each frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def offsets_of(lengths: ArrayLike) -> NDArray[np.int64]:
    """Return the offsets (n + 1,) of consecutive lists of these lengths (n,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
