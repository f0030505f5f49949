"""The pixels of a frame that are marked, as a list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import InputError


def collect(
    strong: NDArray[np.bool_], image: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return x (fast), y (slow) and value of the strong pixels, (n,) each, row by row.

    Parameters
    ----------
    strong : (slow, fast), which pixels to take.
    image : (slow, fast), counts, of any strides.

    Raises
    ------
    InputError
        The two differ in shape.
    """
    if strong.shape != image.shape or strong.ndim != 2:
        raise InputError(
            f"strong pixels are {strong.shape}, the image is {image.shape}; "
            "give both of one frame (slow, fast)"
        )
    index = marked(strong)
    y = index // np.int32(max(strong.shape[1], 1))
    x = index - y * np.int32(strong.shape[1])
    if image.flags.c_contiguous:
        return x, y, image.reshape(-1)[index].astype(np.float64)
    return x, y, image[y, x].astype(np.float64)


def marked(flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return where flags of any shape are set, as indices (n,) into them when flat, ascending."""
    flat = np.require(flags, np.bool_, ("C", "ALIGNED")).reshape(-1).view(np.uint8)
    n_words = flat.size // 8
    if flat.ctypes.data % 8:  # as a frame of odd size inside a block
        flat = flat.copy()
    words = flat[: 8 * n_words].view(np.uint64)
    index = np.empty(flat.size, np.int32)  # pages that are not written to take no memory
    return index[: _list_marked(flat, words, index)].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _list_marked(flags: Any, words: Any, index: Any) -> Any:
    """List the set flags and count them; few are, so eight are looked at as one word."""
    n: Any = 0
    for w in range(words.size):
        if words[w] != 0:
            for i in range(8 * w, 8 * w + 8):
                # written in any case: a branch would be guessed wrong
                index[n] = i
                n += np.int64(flags[i])
    for i in range(8 * words.size, flags.size):
        if flags[i] != 0:
            index[n] = i
            n += 1
    return n
