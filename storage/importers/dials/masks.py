"""Masks as DIALS writes them: a pickled tuple of arrays of booleans, one a panel.

A pickle may name any function for its reader to call. This reader knows three names, of DIALS's
arrays and of the encoding of their bytes, and stands for each with one that only keeps values; a
file that names another is refused.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import Detector

_LARGEST = 1 << 30  # bytes


class _Grid:
    """The shape of an array."""

    def __init__(self, *_given: Any) -> None:
        self.shape: tuple[int, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.shape = tuple(int(n) for n in state)


class _Booleans:
    """The state of an array of booleans: its grid, and its values as text."""

    def __init__(self, *_given: Any) -> None:
        self.grid, self.text = _Grid(), b""

    def __setstate__(self, state: Any) -> None:
        grid, text = state
        if not isinstance(grid, _Grid) or not isinstance(text, bytes):
            raise pickle.UnpicklingError("it holds no array of booleans")
        self.grid, self.text = grid, text

    @property
    def values(self) -> NDArray[np.bool_]:
        """The array (slow, fast)."""
        n = math.prod(self.grid.shape)
        digits = np.frombuffer(self.text[-n:] if n else b"", dtype=np.uint8)
        if len(self.grid.shape) != 2 or len(digits) != n or not np.isin(digits, (48, 49)).all():
            raise pickle.UnpicklingError("it holds no array of booleans (slow, fast)")
        return np.asarray(digits.reshape(self.grid.shape) == 49)


def _grid(_first: Any = (), last: Any = (), _open: Any = True) -> _Grid:
    found = _Grid()
    found.shape = tuple(int(n) for n in last)
    return found


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it has text encoded as {encoding!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("scitbx_array_family_flex_ext", "bool"): _Booleans,
    ("scitbx_array_family_flex_ext", "grid"): _grid,
    ("_codecs", "encode"): _encoded,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no mask has")
        return _KNOWN[module, name]


def read_dials_mask(path: Path, detector: Detector, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (slow, fast) of the frame from one of DIALS's, True where a pixel is used.

    Raises
    ------
    FormatError
        It cannot be read, is no mask, or is one of other panels.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"{path} is too large for a mask")
        found = _Reader(io.BytesIO(path.read_bytes())).load()
        arrays = [one.values for one in found]
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle raises anything
        raise FormatError(f"{path} is no mask of DIALS: {error}") from error
    sizes = [(p.image_size[1], p.image_size[0]) for p in detector.panels]
    if [a.shape for a in arrays] != sizes:
        raise FormatError(
            f"{path} has masks of {[a.shape for a in arrays][:3]} pixels (slow, fast), and the "
            f"panels have {sizes[:3]}"
        )
    mask = np.ones(shape, dtype=np.bool_)
    for panel, values in zip(detector.panels, arrays, strict=True):
        mask[panel.slices] = values
    return mask
