"""Arrays over rows of unequal lengths: entries of all rows one after the other, and offsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def offsets_of(lengths: Rows) -> Rows:
    """Return the first entry of each row and the end of the last (n + 1,) by lengths (n,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def entries_of(offsets: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Return the offsets of chosen rows (k,) in their order, and the entries (m,) that they have.

    offsets : (n + 1,). An array over entries becomes that of the rows by the second.
    """
    lengths = np.diff(offsets)[rows]
    new = offsets_of(lengths)
    return new, np.repeat(offsets[:-1][rows] - new[:-1], lengths) + np.arange(new[-1])
