"""Lists of the marked pixels of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def pixels_at(
    index: NDArray[np.int32], image: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return x (fast), y (slow) and value of the pixels at flat indices (n,) into an image."""
    width = np.int32(image.shape[1])
    y = index // max(width, np.int32(1))
    x = index - y * width
    if image.flags.c_contiguous:
        return x, y, image.reshape(-1)[index].astype(np.float64)
    return x, y, image[y, x].astype(np.float64)


def marked(flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the flat indices (n,) of flags of any shape that are set, ascending."""
    flat = np.require(flags, np.bool_, ("C", "ALIGNED")).reshape(-1).view(np.uint8)
    n_words = flat.size // 8
    if flat.ctypes.data % 8:  # such as a frame of odd size in a block
        flat = flat.copy()
    words = flat[: 8 * n_words].view(np.uint64)
    index = np.empty(flat.size + 1, np.int32)  # pages not written take no memory
    n = int(list_marked(words, flat, 0, index, 0))
    rest = 8 * n_words + np.flatnonzero(flat[8 * n_words :]).astype(np.int32)
    return np.concatenate([index[:n], rest], dtype=np.int32)


@njit(cache=True, nogil=True, error_model="numpy")
def list_marked(words: Any, flags: Any, start: Any, index: Any, n: Any) -> Any:
    """List the set flags from index[n] on, the first being number `start`; return the new n.

    Few are set, so eight are tested as one word. index : int32, with room for one more.
    """
    for w in range(words.size):
        if words[w] != 0:
            for i in range(8 * w, 8 * w + 8):
                # written in any case: a branch would be mispredicted
                index[n] = start + i
                n += np.int64(flags[i])
    return n
