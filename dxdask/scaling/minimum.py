"""Minimum of a function of one variable.

It is written out here since scipy's, used once, takes a tenth of the time of scaling two sweeps to
import.
"""

from __future__ import annotations

from collections.abc import Callable

_GOLDEN = (5.0**0.5 - 1.0) / 2.0


def minimum(
    function: Callable[[float], float], low: float, high: float, tolerance: float
) -> tuple[float, float]:
    """Return where a function is least between `low` and `high`, and its value there.

    Golden section search (Kiefer 1953, Proc. Amer. Math. Soc. 4, 502): of a function with several
    minima it is one of them.

    tolerance : length of the interval at which the search ends.
    """
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (left, at_left) if at_left <= at_right else (right, at_right)
