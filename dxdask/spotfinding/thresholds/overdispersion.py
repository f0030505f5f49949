"""Overdispersion: windows of a frame whose variance exceeds that of a background
(Kabsch 2010; Winter et al. 2018).

Of the n values of a window, x is the sum and y that of the squares. A background of gain g (counts
per photon) has variance / mean = g, with standard deviation g sqrt(2 / (n - 1)); there is signal
where the ratio is above g (1 + sigma_b sqrt(2 / (n - 1))), that is where

    n y - x^2 > g x ((n - 1) + sigma_b sqrt(2 (n - 1))).

Nearly all windows are far from equality, so single precision decides them, twice as fast: n y is
compared with x (x + reach), all terms positive, so that the rounding error is less than `MARGIN` of
either. Rows with a pixel within the margin are tested again in 64 bits, and so are segments with
counts too bright for the sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from dxdask.spotfinding.thresholds.wide_windows import sum_segment
from dxdask.spotfinding.thresholds.windows import (
    SEGMENT,
    exchange_counted,
    exchange_values,
    find_changed,
    is_beyond,
    load_row,
    note_bits,
    row_of_state,
    sum_along_row,
)

MARGIN = 4e-6
BELOW, ABOVE = np.float32(1.0 - MARGIN), np.float32(1.0 + MARGIN)


class Criteria(NamedTuple):
    """Criteria of a strong pixel.

    Attributes
    ----------
    has_gain : a gain other than 1 is given; has_map : there is one for each pixel.
    sigma_background, sigma_strong : standard deviations of dispersion and of a pixel's count.
    min_local : smallest number of counted pixels in a window.
    threshold : counts at or below it are never strong.
    is_bright : a pixel must also exceed the mean of its window.
    """

    has_gain: bool
    has_map: bool
    sigma_background: float
    sigma_strong: float
    min_local: int
    threshold: float
    is_bright: bool


@njit(cache=True, nogil=True, error_model="numpy")
def find_signal(
    window: Any, image: Any, mask: Any, limits: Any, gain: Any, criteria: Any, strong: Any
) -> None:
    """Find the valid pixels of a frame (slow, fast) of integers whose window holds signal.

    They are marked in `window.signal`; with `is_bright`, the bright ones among them are marked in
    `strong`, and some of the others are not marked in `window.signal`.
    limits : `Limits`. gain : (slow or 1, fast).
    """
    height, width = image.shape
    fast, slow = window.half_width
    # access to `window` inside the loop would count references, which is slow
    values, state, signal, bits = window.values, window.state, window.signal, window.bits
    words, signal_words, code = window.words, window.signal_words, window.code
    n_column, x_column, y_column = window.n_column, window.x_column, window.y_column
    n, x, y, spare = window.n, window.x, window.y, window.spare
    number, reach = window.number, window.reach
    x_column[:], y_column[:], n_column[:], bits[:] = 0, 0, 0, 0
    n_rows = bits.shape[0]
    brightest = -n_rows  # last row with counts above the limit
    # the largest count that leaves the sum of squares below 2^31
    limit = np.int32(np.sqrt((2.0**31 - 1) / ((2 * fast + 1) * (2 * slow + 1)))) - 1
    for r in range(height + slow):
        j, last = r - slow, r - 2 * slow - 1
        new = values[r % n_rows] if r < height else values[n_rows]
        if r < height:
            load_row(image[r], mask[r], limits, new, state[r])
        old = values[last % n_rows] if last >= 0 else values[n_rows]
        exchange_values(new, old, x_column[fast:], y_column[fast:])
        if is_beyond(new, limit):
            note_bits(new, bits[r % n_rows])
            brightest = r
        elif brightest >= last - 1:
            bits[r % n_rows] = 0
        g = gain[max(j, 0)] if gain.shape[0] > 1 else gain[0]
        entering, leaving = row_of_state(r, height), row_of_state(last, height)
        changed = find_changed(words, entering, leaving)
        if changed[0] < changed[1] or criteria.has_map:
            renew_numbers(
                state[entering], state[leaving], changed, fast, n_column, spare, n, g, criteria,
                number, reach,
            )  # fmt: skip
        if j >= 0:
            if fast == 3 and criteria.is_bright:
                _judge_bright_sevens(x_column, y_column, number, reach, image[j], code[:width])
            else:
                _judge(x_column, y_column, 2 * fast + 1, spare, x, y, number, reach, code[:width])
            in_doubt = decide(code, state[j], signal[j])
            if in_doubt or brightest >= last:
                _judge_segments(window, in_doubt, limit, j, g, criteria)
            if criteria.is_bright:
                keep_bright(
                    signal[j], signal_words[j], x_column, n, g, criteria, image[j], strong[j]
                )


@njit(cache=True, nogil=True, error_model="numpy")
def renew_numbers(
    entering: Any,
    leaving: Any,
    changed: Any,
    half: Any,
    n_column: Any,
    spare: Any,
    n: Any,
    gain: Any,
    criteria: Any,
    number: Any,
    reach: Any,
) -> None:
    """Update the numbers of values in windows, and the terms that depend on them.

    entering, leaving : state of these rows, which differ in the range `changed` of columns.
    """
    first, end = changed[0], min(changed[1], n.size)
    start, stop = 0, 0
    if first < end:
        columns = n_column[half + first : half + end]
        exchange_counted(entering[first:end], leaving[first:end], columns)
        start, stop = max(first - half, 0), min(end + half, n.size)
        sum_along_row(n_column[start : stop + 2 * half], 2 * half + 1, spare, n[start:stop])
    if criteria.has_map:
        start, stop = 0, n.size  # each row has its own gain
    if start < stop:
        find_reach(n[start:stop], gain[start:stop], criteria, number[start:stop], reach[start:stop])


@njit(cache=True, nogil=True, error_model="numpy")
def find_reach(n: Any, gain: Any, criteria: Any, number: Any, reach: Any) -> None:
    """Compute the terms that depend on n and gain only.

    reach is g ((n - 1) + sigma_b sqrt(2 (n - 1))), infinite where a window has too few values.
    """
    sigma = np.float32(criteria.sigma_background)
    least = max(criteria.min_local, 1)
    for i in range(n.size):
        less = np.float32(n[i] - 1)
        spread = less + sigma * np.sqrt(max(less + less, np.float32(0.0)))
        number[i] = n[i]
        reach[i] = np.float32(gain[i]) * spread if n[i] >= least else np.float32(np.inf)


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(
    x_column: Any,
    y_column: Any,
    length: Any,
    spare: Any,
    x: Any,
    y: Any,
    number: Any,
    reach: Any,
    code: Any,
) -> None:
    """Test the windows of a row in single precision, see `_compare`; x, y, spare: workspace."""
    if length == 7:
        _judge_sevens(x_column, y_column, number, reach, code)
    else:
        sum_along_row(x_column, length, spare, x)
        sum_along_row(y_column, length, spare, y)
        _judge_quickly(x, y, number, reach, code)


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_sevens(x: Any, y: Any, number: Any, reach: Any, code: Any) -> None:
    """Sum seven columns, the usual width, and test at once: in half the time."""
    for i in range(code.size):
        a, b = np.int32(0), np.int32(0)
        for k in range(7):
            a = np.int32(a + x[i + k])
            b = np.int32(b + y[i + k])
        code[i] = _compare(np.float32(a), np.float32(b), number[i], reach[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_bright_sevens(x: Any, y: Any, number: Any, reach: Any, image: Any, code: Any) -> None:
    """Test only pixels that may be above the mean of their window; others hold no signal.

    A fifth of the pixels around spots then remain for `keep_bright`.
    """
    for i in range(code.size):
        a, b = np.int32(0), np.int32(0)
        for k in range(7):
            a = np.int32(a + x[i + k])
            b = np.int32(b + y[i + k])
        total = np.float32(a)
        found = _compare(total, np.float32(b), number[i], reach[i])
        code[i] = found if number[i] * np.float32(image[i]) * ABOVE > total else np.uint8(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_quickly(x: Any, y: Any, number: Any, reach: Any, code: Any) -> None:
    for i in range(number.size):
        code[i] = _compare(np.float32(x[i]), np.float32(y[i]), number[i], reach[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(x: Any, y: Any, number: Any, reach: Any) -> Any:
    """Return 2 if a window certainly holds signal, 1 if it may."""
    left, right = number * y, x * (x + reach)
    usable = x >= np.float32(0.0)
    return np.uint8(usable & (left * ABOVE > right)) + np.uint8(usable & (left * BELOW > right))


@njit(cache=True, nogil=True, error_model="numpy")
def decide(code: Any, state: Any, signal: Any) -> Any:
    """Mark the valid pixels that certainly are signal; return True if another may be."""
    in_doubt = np.uint8(0)
    for i in range(code.size):
        valid = np.uint8(state[i] != 0)
        signal[i] = (code[i] >> np.uint8(1)) & valid
        in_doubt = np.uint8(in_doubt | (code[i] & valid))
    return in_doubt != 0


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_segments(
    window: Any, in_doubt: Any, limit: Any, j: Any, gain: Any, criteria: Any
) -> None:
    """Test again the segments of row j near counts above `limit`; all of them if in doubt."""
    width, half = window.n.size, window.half_width[0]
    for k in range(window.bits.shape[1]):
        start, stop = k * SEGMENT, min((k + 1) * SEGMENT, width)
        first, end = max(start - half, 0) // SEGMENT, (min(stop + half, width) - 1) // SEGMENT + 1
        if in_doubt or window.bits[:, first:end].max() > limit:
            x, y = sum_segment(window, j, start, stop)
            _judge_exactly(
                x, y, window.n[start:stop], gain[start:stop], criteria,
                window.state[j, start:stop], window.signal[j, start:stop],
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_exactly(
    x: Any, y: Any, n: Any, gain: Any, criteria: Any, state: Any, signal: Any
) -> None:
    """Mark the windows that hold signal, in double precision."""
    for i in range(n.size):
        wide = is_overdispersed(n[i], np.float64(x[i]), np.float64(y[i]), gain[i], criteria)
        signal[i] = wide & (state[i] != 0)


@njit(cache=True, nogil=True, error_model="numpy")
def is_overdispersed(n: Any, x: Any, y: Any, gain: Any, criteria: Any) -> Any:
    """Return True if a window holds signal, with DIALS's rounding with a gain and without."""
    m = np.float64(n)
    root = np.sqrt(max(2.0 * (m - 1.0), 0.0))
    if criteria.has_gain:
        wide = m * y - x * x > gain * x * (m - 1.0 + criteria.sigma_background * root)
    else:
        wide = m * y - x * x - x * (m - 1.0) > x * criteria.sigma_background * root
    return wide & (x >= 0.0) & (n >= max(criteria.min_local, 1))


@njit(cache=True, nogil=True, error_model="numpy")
def keep_bright(
    signal: Any,
    words: Any,
    x_column: Any,
    n: Any,
    gain: Any,
    criteria: Any,
    image: Any,
    strong: Any,
) -> None:
    """Mark the pixels v of signal above the threshold with n v - x > sigma_s sqrt(g x n).

    Few are left: words of eight pixels without any are skipped.
    """
    strong[:] = False
    length = x_column.size - n.size + 1
    total, at = np.int64(0), -2
    for w in range(words.size):
        if words[w] == 0:
            continue
        for i in range(8 * w, 8 * w + 8):
            if signal[i]:
                if at == i - 1:
                    total += x_column[i + length - 1] - x_column[i - 1]
                else:
                    total = x_column[i : i + length].sum()
                at = i
                m, x, v = np.float64(n[i]), np.float64(total), np.float64(image[i])
                high = m * v - x > criteria.sigma_strong * np.sqrt(gain[i] * x * m)
                strong[i] = high & (v > criteria.threshold)
