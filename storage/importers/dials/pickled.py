"""Arrays that DIALS pickles: a tuple of one array a panel, of booleans or of doubles.

A pickle may name any function for its reader to call. This reader knows four names, of DIALS's
arrays and of the encoding of their bytes, and stands for each with one that only keeps values; a
file that names another is refused. Doubles are written in base 256: a byte with sign and length,
digits of the mantissa, and the exponent likewise (scitbx, `serialization/base_256.h`).
"""

from __future__ import annotations

import io
import math
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import Detector

_LARGEST = 1 << 30  # bytes

Kind = Literal["booleans", "doubles"]
Value = TypeVar("Value", np.bool_, np.float64)


class _Grid:
    """The shape of an array."""

    def __init__(self, *_given: Any) -> None:
        self.shape: tuple[int, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.shape = tuple(int(n) for n in state)


class _Array(ABC):
    """The state of an array: its grid, and its values as text."""

    kind: Kind

    def __init__(self, *_given: Any) -> None:
        self.grid, self.text = _Grid(), b""

    def __setstate__(self, state: Any) -> None:
        grid, text = state
        if not isinstance(grid, _Grid) or not isinstance(text, bytes):
            raise pickle.UnpicklingError(f"it holds no array of {self.kind}")
        self.grid, self.text = grid, text

    @property
    def values(self) -> NDArray[Any]:
        """The array (slow, fast)."""
        n = math.prod(self.grid.shape)
        if len(self.grid.shape) != 2 or not 0 <= n <= len(self.text):
            raise pickle.UnpicklingError(f"it holds no array of {self.kind} (slow, fast)")
        return self._decoded(n).reshape(self.grid.shape)

    @abstractmethod
    def _decoded(self, n: int) -> NDArray[Any]:
        """Return the n values of the text."""


class _Booleans(_Array):
    kind = "booleans"

    def _decoded(self, n: int) -> NDArray[np.bool_]:
        digits = np.frombuffer(self.text[-n:] if n else b"", dtype=np.uint8)
        if not np.isin(digits, (48, 49)).all():
            raise pickle.UnpicklingError("it holds no array of booleans (slow, fast)")
        return np.asarray(digits == 49)


class _Doubles(_Array):
    kind = "doubles"

    def _decoded(self, n: int) -> NDArray[np.float64]:
        values = np.zeros(n)
        if not _decode(np.frombuffer(self.text, dtype=np.uint8), values):
            raise pickle.UnpicklingError("it holds no array of doubles (slow, fast)")
        return values


@njit(cache=True, nogil=True)
def _decode(text: Any, values: Any) -> bool:
    """Fill the values (n,) from text in base 256; return False where it is not of n of them."""
    size = len(text)
    at = max(text[0] & 0x7F, 1) if size else 0  # after the number of values
    for i in range(len(values)):
        if at >= size:
            return False
        length = text[at] & 0x7F
        if length == 0:
            at += 1
            continue
        if at + length >= size:
            return False
        value = 0.0
        for k in range(length - 1, 0, -1):
            value = (value + text[at + k]) / 256.0
        negative, at = text[at] > 128, at + length
        length = text[at] & 0x7F
        if at + max(length, 1) > size:
            return False
        exponent = 0
        for k in range(length - 1, 0, -1):
            exponent = exponent * 256 + text[at + k]
        value = math.ldexp(value, -exponent if text[at] > 128 else exponent)
        at += max(length, 1)
        values[i] = -value if negative else value
    return at == size


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
    ("scitbx_array_family_flex_ext", "double"): _Doubles,
    ("scitbx_array_family_flex_ext", "grid"): _grid,
    ("_codecs", "encode"): _encoded,
}
_WHAT: dict[Kind, str] = {"booleans": "mask", "doubles": "map of values"}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no mask has")
        return _KNOWN[module, name]


def is_pickled(path: Path) -> bool:
    """Return True for a file that begins as pickles do."""
    try:
        with path.open("rb") as stream:
            return stream.read(1) == b"\x80"
    except OSError:
        return False


def panel_arrays(path: Path, detector: Detector, kind: Kind) -> list[NDArray[Any]]:
    """Return the array (slow, fast) of each panel in a file; a file of one array is of one panel.

    Raises
    ------
    FormatError
        It cannot be read, holds something else, or is of other panels.
    """
    what = _WHAT[kind]
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"{path} is too large for a {what}")
        found = _Reader(io.BytesIO(path.read_bytes())).load()
        parts = [found] if isinstance(found, _Array) else list(found)
        if any(part.kind != kind for part in parts):
            raise pickle.UnpicklingError(f"it holds no array of {kind}")
        arrays = [part.values for part in parts]
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle raises anything
        raise FormatError(f"{path} is no {what} of DIALS: {error}") from error
    sizes = [(p.image_size[1], p.image_size[0]) for p in detector.panels]
    if [a.shape for a in arrays] != sizes:
        raise FormatError(
            f"{path} has {what}s of {[a.shape for a in arrays][:3]} pixels (slow, fast), and the "
            f"panels have {sizes[:3]}"
        )
    return arrays


def on_frame(
    arrays: Sequence[NDArray[Any]], detector: Detector, frame: NDArray[Value]
) -> NDArray[Value]:
    """Return `frame` (slow, fast) with the values of each panel in its place."""
    for panel, values in zip(detector.panels, arrays, strict=True):
        frame[panel.slices] = values
    return frame
