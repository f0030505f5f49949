"""Numbers as compact binary in a page: base64 of little-endian integers or float32."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTEGERS = (np.uint8, np.int16, np.uint16, np.int32)


def encoded(values: NDArray[Any]) -> dict[str, str]:
    """Return {"t": dtype, "b": base64}: the smallest integers that hold all values, else float32.

    values : of any shape, flattened in C order. Evenly spaced ones are {"t": "range", "b":
    "first,step,n"}.
    """
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype == np.bool_:
        flat = flat.astype(np.uint8)
    number = flat.astype(np.float64)
    if len(number) > 2 and np.isfinite(number).all():
        step = number[1] - number[0]
        if step == round(step) and (np.diff(number) == step).all():
            return {"t": "range", "b": f"{float(number[0])!r},{float(step)!r},{len(number)}"}
    whole = len(number) > 0 and bool(
        np.isfinite(number).all() and (number == np.rint(number)).all()
    )
    if whole:
        low, high = number.min(), number.max()
        for kind in _INTEGERS:
            info = np.iinfo(kind)
            if info.min <= low and high <= info.max:
                return _packed(number.astype(kind))
    return _packed(number.astype(np.float32))


def decoded(packed: dict[str, str]) -> NDArray[Any]:
    """Return the numbers (n,) that `encoded` packed."""
    if packed["t"] == "range":
        first, step, n = packed["b"].split(",")
        return float(first) + float(step) * np.arange(int(n))
    return np.frombuffer(base64.b64decode(packed["b"]), dtype=f"<{packed['t']}")


def _packed(values: NDArray[Any]) -> dict[str, str]:
    kind = values.dtype.newbyteorder("<")
    return {
        "t": kind.str[1:],
        "b": base64.b64encode(values.astype(kind).tobytes()).decode("ascii"),
    }
