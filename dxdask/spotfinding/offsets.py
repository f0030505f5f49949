"""Ragged lists: where the pixels of each spot, or of each frame, begin among those of all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def offsets_of(lengths: ArrayLike) -> NDArray[np.int64]:
    """Return where stretches of lengths (n,), one behind the other, begin and end: (n + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
