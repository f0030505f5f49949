"""The minimum of a function of one number, by golden sections.

Loading scipy.optimize takes longer than the fit of an error model.
"""

from __future__ import annotations

from collections.abc import Callable

GOLDEN = 0.6180339887498949


def minimum_between(
    function: Callable[[float], float], low: float, high: float, tolerance: float
) -> tuple[float, float]:
    """Return where a function of one minimum between two numbers is least, and its value there.

    Kiefer 1953, Proc. Am. Math. Soc. 4, 502; the end is the vertex of the parabola through the
    three lowest points, where that is lower.

    tolerance : width of the last interval.
    """
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    points = {left: function(left), right: function(right)}
    while high - low > tolerance:
        if points[left] <= points[right]:
            high, right = right, left
            left = high - GOLDEN * (high - low)
            points[left] = function(left)
        else:
            low, left = left, right
            right = low + GOLDEN * (high - low)
            points[right] = function(right)
    best = min(points, key=lambda x: points[x])
    vertex = _vertex(sorted(points, key=lambda x: points[x])[:3], points)
    if vertex is not None and low <= vertex <= high:
        value = function(vertex)
        if value < points[best]:
            return vertex, value
    return best, points[best]


def _vertex(x: list[float], values: dict[float, float]) -> float | None:
    """Return the vertex of the parabola through three points, None where it has no minimum."""
    if len(x) < 3:
        return None
    a, b, c = x
    slope = (values[b] - values[a]) / (b - a)
    curvature = ((values[c] - values[a]) / (c - a) - slope) / (c - b)
    if not curvature > 0.0:
        return None
    return 0.5 * (a + b) - 0.5 * slope / curvature
