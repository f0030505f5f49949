"""Overdispersion in frames of real numbers.

Sums are in single precision, computed again for each row, so that rounding errors by a bright pixel
do not remain after it. The error of x is then less than delta = e sum |v| <= e sqrt(n y), e being
the rounding of all terms, so x - delta and x + delta decide nearly all pixels; only those in
between are summed again from the frame, in double precision. The result is always that of double
precision. Magnitudes below 1e-18 are set to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.thresholds.overdispersion import (
    MARGIN,
    decide,
    is_overdispersed,
    renew_numbers,
)
from dxdask.spotfinding.thresholds.windows import (
    COUNTED,
    find_changed,
    load_row,
    row_of_state,
    sum_along_row,
)

UNIT = 6e-8
"""Relative rounding error of a number of single precision."""


@njit(cache=True, nogil=True, error_model="numpy")
def find_signal_of_reals(
    window: Any, image: Any, mask: Any, limits: Any, gain: Any, criteria: Any, strong: Any
) -> None:
    """Find the same as `find_signal` in a frame of real numbers."""
    height, (fast, slow) = image.shape[0], window.half_width
    values, state, signal, code = window.values, window.state, window.signal, window.code
    words, signal_words, n_column, n = window.words, window.signal_words, window.n_column, window.n
    x_column, y_column, spare, real_spare = (
        window.x_column, window.y_column, window.spare, window.real_spare
    )  # fmt: skip
    x, y, number, reach = window.x, window.y, window.number, window.reach
    n_column[:] = 0
    n_rows, length = window.bits.shape[0], 2 * fast + 1
    error = np.float32((2 * slow + 1 + 16) * UNIT)
    for r in range(height + slow):
        j, last = r - slow, r - 2 * slow - 1
        if r < height:
            load_row(image[r], mask[r], limits, values[r % n_rows], state[r])
        g = gain[max(j, 0)] if gain.shape[0] > 1 else gain[0]
        entering, leaving = row_of_state(r, height), row_of_state(last, height)
        changed = find_changed(words, entering, leaving)
        if changed[0] < changed[1] or criteria.has_map:
            renew_numbers(
                state[entering], state[leaving], changed, fast, n_column, spare, n, g, criteria,
                number, reach,
            )  # fmt: skip
        if j < 0:
            continue
        _sum_columns(
            values, (max(last + 1, 0), min(r + 1, height)), x_column[fast:], y_column[fast:]
        )
        sum_along_row(x_column, length, real_spare, x)
        sum_along_row(y_column, length, real_spare, y)
        _judge_reals(x, y, number, reach, error, code)
        if decide(code, state[j], signal[j]):
            _settle(image, state, j, (fast, slow), n, g, criteria, code, signal[j])
        if criteria.is_bright:
            _keep_bright(
                image, state, j, (fast, slow), x, y, n, g, criteria, error, signal[j],
                signal_words[j], strong[j],
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_columns(values: Any, rows: Any, x: Any, y: Any) -> None:
    """Sum values and their squares over rows rows[0] <= r < rows[1] of the ring, two at a time."""
    n_rows = values.shape[0] - 1
    _begin(values[rows[0] % n_rows], x, y)
    for r in range(rows[0] + 1, rows[1], 2):
        # an odd number of rows remains where the window reaches over an edge
        second = values[(r + 1) % n_rows] if r + 1 < rows[1] else values[n_rows]
        _add(values[r % n_rows], second, x, y)


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(values: Any, x: Any, y: Any) -> None:
    for i in range(values.size):
        x[i] = values[i]
        y[i] = values[i] * values[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _add(a: Any, b: Any, x: Any, y: Any) -> None:
    for i in range(a.size):
        x[i] += a[i] + b[i]
        y[i] += a[i] * a[i] + b[i] * b[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_reals(x: Any, y: Any, number: Any, reach: Any, error: Any, code: Any) -> None:
    """Set code to 2 where a window certainly holds signal, to 1 where it may."""
    less = np.float32(1.0) - error - np.float32(MARGIN)
    more = np.float32(1.0) + error + np.float32(MARGIN)
    zero = np.float32(0.0)
    for i in range(x.size):
        left = number[i] * y[i]
        delta = error * np.sqrt(left)
        low, high = x[i] - delta, x[i] + delta
        sure = (low >= zero) & (left * less > high * (high + reach[i]))
        low = max(low, zero)
        maybe = (high >= zero) & (left * more > low * (low + reach[i]))
        code[i] = np.uint8(maybe) + np.uint8(sure)


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(
    image: Any,
    state: Any,
    j: Any,
    half_width: Any,
    n: Any,
    gain: Any,
    criteria: Any,
    code: Any,
    signal: Any,
) -> None:
    """Test the pixels in doubt of row j in double precision."""
    for i in range(n.size):
        if code[i] == 1 and state[j, i] != 0:
            x, y = _sum_exactly(image, state, j, i, half_width)
            signal[i] = is_overdispersed(n[i], x, y, gain[i], criteria)


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_exactly(image: Any, state: Any, j: Any, i: Any, half_width: Any) -> Any:
    fast, slow = half_width
    first, end = max(i - fast, 0), min(i + fast + 1, image.shape[1])
    x, y = 0.0, 0.0
    for r in range(max(j - slow, 0), min(j + slow + 1, image.shape[0])):
        for f in range(first, end):
            v = np.float64(image[r, f]) if state[r, f] >= COUNTED else 0.0
            x += v
            y += v * v
    return x, y


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_bright(
    image: Any,
    state: Any,
    j: Any,
    half_width: Any,
    x: Any,
    y: Any,
    n: Any,
    gain: Any,
    criteria: Any,
    error: Any,
    signal: Any,
    words: Any,
    strong: Any,
) -> None:
    """Mark the pixels v of signal above the threshold with n v - x > sigma_s sqrt(g x n)."""
    strong[:] = False
    for w in range(words.size):
        if words[w] == 0:
            continue
        for i in range(8 * w, 8 * w + 8):
            if signal[i] and image[j, i] > criteria.threshold:
                m, v, total = np.float64(n[i]), np.float64(image[j, i]), np.float64(x[i])
                # twice the error of x, to allow for the rounding here
                square = 4.0 * error * error * m * np.float64(y[i])
                above = m * v - total
                if above < 0.0 and above * above > square:
                    continue  # avoids the square roots for most pixels around a spot
                delta, scale = np.sqrt(square), criteria.sigma_strong
                strong[i] = above - delta > scale * np.sqrt(gain[i] * (total + delta) * m)
                if not strong[i]:
                    low = max(total - delta, 0.0)
                    if above + delta > scale * np.sqrt(gain[i] * low * m):
                        total = _sum_exactly(image, state, j, i, half_width)[0]
                        strong[i] = m * v - total > scale * np.sqrt(gain[i] * total * m)
