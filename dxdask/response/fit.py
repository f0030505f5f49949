"""Fit of a detector's response to the numbers of pixels by count.

From a threshold on, a detector that records more than one count a photon skips counts: the first
ones at the threshold, and one more wherever the rounded counts advance by two. The places of the
skipped counts give threshold, factor and offset, without any other run or reflection.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.response.model import DetectorResponse

_EXPECTED = 25.0  # pixels expected at a count; that there are none is then no chance (1e-11)
_EMPTY = 0.02  # part of those expected that may be there: hot pixels
_WINDOW = 12  # counts to either side that the expected number is the mean of
_FEWEST = 3  # skipped counts beyond the threshold that give a factor
_GRID = 100
_TIES = 0.01  # counts: how halves are rounded is not known
_HALVINGS = 60


class ResponseFit(NamedTuple):
    """A fitted response.

    response : None if no count is skipped, or no response explains those that are.
    largest : counts below this one were examined. skipped : those never recorded.
    reason : why there is no response.
    """

    response: DetectorResponse | None
    largest: int
    skipped: NDArray[np.int64]
    reason: str = ""


def fit_response(histogram: NDArray[np.int64]) -> ResponseFit:
    """Return the response by the skipped counts of a histogram.

    histogram : (n,) number of pixels at each count, from 0.
    """
    expected = _expected(histogram)
    first = int(np.argmax(histogram > 0)) if histogram.any() else 0
    dense = np.flatnonzero((expected < _EXPECTED) & (np.arange(len(histogram)) > first))
    largest = int(dense[0]) if len(dense) else len(histogram)
    examined = np.arange(first + 1, max(largest, first + 1))
    skipped = examined[histogram[examined] <= _EMPTY * expected[examined]]
    if not len(skipped):
        return ResponseFit(None, largest, skipped, "no count is skipped")
    threshold = int(skipped[0])
    n_more = int((np.diff(skipped) > 1).sum())
    if n_more < _FEWEST:
        reason = (
            f"counts are skipped at {threshold} and {n_more} times beyond, too few for a factor"
        )
        return ResponseFit(None, largest, skipped, reason)
    recorded = np.setdiff1d(np.arange(threshold, largest), skipped)
    photons = threshold + np.arange(len(recorded))
    bounds = _bounds(recorded.astype(np.float64), photons.astype(np.float64))
    if bounds is None:
        reason = f"no one factor skips the counts {_listed(skipped)}"
        return ResponseFit(None, largest, skipped, reason)
    factors, low, high = bounds
    width = np.maximum(high - low, 0.0)
    # all pairs that skip the same counts are equally likely
    weight = width / width.sum()
    middle = 0.5 * (low + high)
    factor = float((weight * factors).sum())
    offset = float((weight * middle).sum())
    step = float(factors[1] - factors[0])
    variance = float((weight * (factors - factor) ** 2).sum()) + step**2 / 12.0
    spread = float((weight * ((middle - offset) ** 2 + width**2 / 12.0)).sum())
    response = DetectorResponse(
        threshold=threshold, factor=factor, offset=offset,
        factor_su=float(np.sqrt(variance)), offset_su=float(np.sqrt(spread)),
    )  # fmt: skip
    return ResponseFit(response, largest, skipped)


def _expected(histogram: NDArray[np.int64]) -> Floats:
    """Return the mean (n,) of the filled counts near each one, itself left out."""
    kernel = np.ones(2 * _WINDOW + 1)
    kernel[_WINDOW] = 0.0
    total = np.convolve(histogram.astype(np.float64), kernel)[_WINDOW:-_WINDOW]
    filled = np.convolve((histogram > 0).astype(np.float64), kernel)[_WINDOW:-_WINDOW]
    return np.asarray(total / np.maximum(filled, 1.0))


def _bounds(recorded: Floats, photons: Floats) -> tuple[Floats, Floats, Floats] | None:
    """Return factors (m,) that record these counts, and their least and largest offsets.

    recorded, photons : (n,), recorded - 1/2 <= factor photons + offset <= recorded + 1/2, up to
        `_TIES`.
    """
    slope = float(np.polyfit(photons, recorded, 1)[0])
    reach = 2.0 / max(photons[-1] - photons[0], 1.0)
    best, room = _maximum(recorded, photons, slope - reach, slope + reach)
    if room < -_TIES:
        return None
    ends = [_end(recorded, photons, best, best + side * reach) for side in (-1.0, 1.0)]
    factors = np.linspace(ends[0], ends[1], _GRID)
    low, high = np.array([_offsets(recorded, photons, f) for f in factors]).T
    return factors, low - _TIES, high + _TIES


def _offsets(recorded: Floats, photons: Floats, factor: float) -> tuple[float, float]:
    """Return the least and the largest offset at a factor, ties left out."""
    rest = recorded - factor * photons
    return float(rest.max() - 0.5), float(rest.min() + 0.5)


def _room(recorded: Floats, photons: Floats, factor: float) -> float:
    low, high = _offsets(recorded, photons, factor)
    return high - low


def _maximum(recorded: Floats, photons: Floats, a: float, b: float) -> tuple[float, float]:
    """Return the factor with the widest range of offsets, and its width (concave in the factor)."""
    for _ in range(_HALVINGS):
        c, d = a + (b - a) / 3.0, b - (b - a) / 3.0
        if _room(recorded, photons, c) < _room(recorded, photons, d):
            a = c
        else:
            b = d
    return 0.5 * (a + b), _room(recorded, photons, 0.5 * (a + b))


def _end(recorded: Floats, photons: Floats, inside: float, outside: float) -> float:
    """Return the factor, between two, at which no offset is left, by bisection."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        if _room(recorded, photons, middle) > -2.0 * _TIES:
            inside = middle
        else:
            outside = middle
    return inside


def _listed(values: NDArray[np.int64]) -> str:
    shown = ", ".join(str(v) for v in values[:6])
    return shown + (f" and {len(values) - 6} more" if len(values) > 6 else "")
