"""Models, parameters and tables as JSON attributes of a store, and back.

JSON has no NaN or infinity: such a number is written as ``{"__float__": "nan"}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from dxdask.errors import InputError

NUMBER = "__float__"


def encode(value: Any, where: str = "value") -> Any:
    """Return `value` as what strict JSON can hold: tuples and arrays become lists.

    Raises
    ------
    InputError
        Something in it is neither number, text, truth value, None, sequence nor mapping.
    """
    kind = type(value)
    # most of what a store describes are the matrices of scan-varying crystals
    if kind is float and math.isfinite(value):
        return value
    if kind is tuple or kind is list:
        return [encode(v, where) for v in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else {NUMBER: repr(float(value))}
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Mapping):
        return {str(k): encode(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return encode(value.tolist(), where)
    if isinstance(value, (list, tuple)):
        return [encode(v, where) for v in value]
    if isinstance(value, PurePath):
        return str(value)
    raise InputError(
        f"{where} is a {type(value).__name__}, which the store cannot hold: "
        "give numbers, text, lists or mappings"
    )


def decode(value: Any) -> Any:
    """Return the value that `encode` encoded; sequences come back as lists."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get(NUMBER), str):
            return float(value[NUMBER])
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decode(v) for v in value]
    return value


def strict(value: Any) -> Any:
    """Return an encoded value with None for NaN and infinity, as JSON for others has to be."""
    if isinstance(value, dict):
        return None if set(value) == {NUMBER} else {k: strict(v) for k, v in value.items()}
    return [strict(v) for v in value] if isinstance(value, list) else value
