"""Types of arrays, named once, and the sum of records of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
"""Of pixels: True is good."""

Record = TypeVar("Record", bound=NamedTuple)


def sum_of_records(parts: Sequence[Record]) -> Record:
    """Return the sum of named tuples, field by field: arrays of one shape and dtype, and numbers.

    A sum of arrays has their dtype. The parts stay as they are.
    """
    totals = [v.copy() if isinstance(v, np.ndarray) else v for v in parts[0]]
    for part in parts[1:]:
        for k, value in enumerate(part):
            totals[k] += value
    record: Any = type(parts[0])
    return record(*totals)  # type: ignore[no-any-return]
