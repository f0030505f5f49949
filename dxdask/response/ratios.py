"""Equations for a detector's response by counts of the same pixels at several transmissions.

A reflection puts Poisson counts n of means s_i m on a pixel in runs i of intensities s_i. Given the
sum N of two runs, n of the lower one is binomial of p = s_low / (s_low + s_high), whatever m is:
with x = n recorded below the threshold and x = (counts - offset) / factor from there on,
e = x_low - p (x_low + x_high) has a mean of 0 at every N if the response is right. Its parameters
and the s_i, which are not taken from the header, solve sum h e / v = 0 with instruments h, the
derivatives of e expected at N, and v the binomial variance with a part for what moves between runs.
Instruments are functions of N alone, as errors of the counts would bias a least-squares fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.response.peaks import PixelPairs

N_PARTS = 10
N_BINS = 25
_STEPS = 5
_CONVERGED = 2e-3  # a tenth of the uncertainty of the offset, the largest of the steps
_EDGE = 1.1
LEAST_SLOPE = 0.2
"""Photons a count of the second law that are tried."""
NEVER = 1e12
"""Count at which the second law of a linear detector begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedCounts:
    """Counts (m,) of pixels in a lower and a higher run.

    first, second : (m,) numbers of these runs. part : (m,) of detector and scan. pair : (m,) of
    runs. floor : (m,) least sum of photons, above the limit by which the pixels were chosen.
    edges : (n_pairs, n_bins - 1) of bins of that sum. whole : whether all counts are.
    """

    low: Floats
    high: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    part: NDArray[np.int64]
    pair: NDArray[np.int64]
    floor: Floats
    edges: Floats
    n_runs: int
    whole: bool

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> PairedCounts:
        """Return some of the pixels."""
        names = ("low", "high", "first", "second", "part", "pair", "floor")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


class Law(NamedTuple):
    """The response as photons = u counts + v from `cut` counts on, logarithms of intensities s (the
    last 0), and the part `scatter` of N by which e varies beside the binomial distribution.
    """

    cut: float
    u: float
    v: float
    log_s: Floats
    scatter: float = 0.0

    def photons(self, counts: Floats, *, whole: bool) -> Floats:
        """Return the photons of counts (m,), of whole ones whole."""
        second = self.u * counts + self.v
        return np.where(counts >= self.cut, np.rint(second) if whole else second, counts)


def paired_counts(pairs: Sequence[tuple[int, int, PixelPairs]], n_runs: int) -> PairedCounts:
    """Return the counts of pairs of runs as arrays.

    pairs : numbers of the lower and the higher run, in ascending transmission, and their pixels.
    """
    parts: list[tuple[NDArray[Any], ...]] = []
    edges: list[Floats] = []
    for first, second, found in pairs:
        if len(found.low) < N_BINS:
            continue
        total = found.low + found.high
        floor = _EDGE * total.min()
        edges.append(np.quantile(total[total >= floor], np.linspace(0.0, 1.0, N_BINS + 1)[1:-1]))
        parts.append((
            found.low, found.high, np.full(len(total), first), np.full(len(total), second),
            found.place % N_PARTS, np.full(len(total), len(parts)), np.full(len(total), floor),
        ))  # fmt: skip
    if not parts:
        parts, edges = [tuple(np.zeros((7, 0)))], [np.zeros(N_BINS - 1)]
    low, high, first_, second_, part, pair, floors = (
        np.concatenate(c) for c in zip(*parts, strict=True)
    )
    return PairedCounts(
        low=low, high=high, first=first_.astype(np.int64), second=second_.astype(np.int64),
        part=part.astype(np.int64), pair=pair.astype(np.int64), floor=floors,
        edges=np.array(edges), n_runs=n_runs,
        whole=bool((low == np.rint(low)).all() and (high == np.rint(high)).all()),
    )  # fmt: skip


def start_of(data: PairedCounts) -> Floats:
    """Return logarithms of intensities by the sums of counts of pairs with the last run."""
    log_s = np.zeros(data.n_runs)
    for run in range(data.n_runs - 2, -1, -1):
        for other in range(data.n_runs - 1, run, -1):
            rows = (data.first == run) & (data.second == other)
            if rows.any():
                log_s[run] = log_s[other] + np.log(data.low[rows].sum() / data.high[rows].sum())
                break
    return log_s


def _share(data: PairedCounts, law: Law) -> Floats:
    """Return p (m,) of the lower run."""
    return np.asarray(1.0 / (1.0 + np.exp(law.log_s[data.second] - law.log_s[data.first])))


def residuals(data: PairedCounts, law: Law) -> tuple[Floats, Floats, Floats, Floats]:
    """Return e, its variance (inf where it does not count), N and p, (m,) each."""
    x, y = (law.photons(counts, whole=data.whole) for counts in (data.low, data.high))
    p, total = _share(data, law), np.maximum(x + y, 1.0)
    variance = total * p * (1.0 - p) + (law.scatter * total) ** 2
    return x - p * total, np.where(total >= data.floor, variance, np.inf), total, p


@njit(cache=True, nogil=True, error_model="numpy")
def _normal(low, high, first, second, floor, whole, cut, u, v, s, scatter, left, right):  # type: ignore[no-untyped-def]
    """Add sum h (de / dp)^T / v to left (n + 1, n + 1), and sum h e / v to right (n + 1,).

    The parameters p are the logarithms of the first n - 1 intensities s (n,), u and v.
    """
    n = len(s)
    h, d = np.zeros(n + 1), np.zeros(n + 1)
    for i in range(len(low)):
        x, y = low[i], high[i]
        if x >= cut:
            x = np.rint(u * x + v) if whole else u * x + v
        if y >= cut:
            y = np.rint(u * y + v) if whole else u * y + v
        total = x + y
        if total < floor[i]:
            continue
        p = s[first[i]] / (s[first[i]] + s[second[i]])
        binomial = total * p * (1.0 - p)
        variance = binomial + (scatter * total) ** 2
        h[:], d[:] = 0.0, 0.0
        # the last run is the unit
        if first[i] < n - 1:
            h[first[i]], d[first[i]] = binomial, -binomial
        if second[i] < n - 1:
            h[second[i]], d[second[i]] = -binomial, binomial
        for k in range(2):
            share, sign = (p, 1.0 - p) if k == 0 else (1.0 - p, -p)
            mean, counts = share * total, low[i] if k == 0 else high[i]
            z = (mean - u * cut - v) / np.sqrt(2.0 * binomial)
            above = 0.5 * (1.0 + math.erf(z))
            h[n - 1] += sign * above * (mean - v) / u
            h[n] += sign * above
            if counts >= cut:
                d[n - 1] += sign * counts
                d[n] += sign
        for a in range(n + 1):
            right[a] += h[a] * (x - p * total) / variance
            for b in range(n + 1):
                left[a, b] += h[a] * d[b] / variance


def solved(data: PairedCounts, law: Law, *, free: bool) -> Law:
    """Return the law whose sums of h e / v are 0; free : with u and v, else intensities only."""
    n = data.n_runs
    used = n + 1 if free else n - 1
    for _ in range(_STEPS):
        left, right = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
        _normal(
            data.low, data.high, data.first, data.second, data.floor, data.whole, law.cut, law.u,
            law.v, np.exp(law.log_s), law.scatter, left, right,
        )  # fmt: skip
        step = np.zeros(n + 1)
        step[:used] = -np.linalg.lstsq(left[:used, :used], right[:used], rcond=1e-12)[0]
        log_s = law.log_s.copy()
        log_s[: n - 1] += np.clip(step[: n - 1], -0.5, 0.5)
        law = law._replace(u=law.u + float(step[n - 1]), v=law.v + float(step[n]), log_s=log_s)
        if not LEAST_SLOPE < law.u < 1.0 / LEAST_SLOPE or np.abs(step).max() < _CONVERGED:
            break
    return law


def binned(data: PairedCounts, law: Law) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Return bin, e, its variance and N (m,) of those that count."""
    e, variance, total, _ = residuals(data, law)
    bins = np.zeros(len(e), dtype=np.int64)
    for k, edges in enumerate(data.edges):
        own = data.pair == k
        bins[own] = np.searchsorted(edges, total[own], side="right") + k * N_BINS
    used = np.isfinite(variance)
    return bins[used], e[used], variance[used], total[used]


def chi2_of(data: PairedCounts, law: Law) -> tuple[float, int]:
    """Return the chi square of e in bins, and the degrees of freedom."""
    bins, e, variance, _ = binned(data, law)
    sums, variances = np.bincount(bins, e), np.bincount(bins, variance)
    there = variances > 0
    n_free = data.n_runs + 2
    return float((sums[there] ** 2 / variances[there]).sum()), max(int(there.sum()) - n_free, 1)


def scatter_of(data: PairedCounts, law: Law) -> float:
    """Return the scatter that explains the mean of e^2 within bins."""
    bins, e, variance, total = binned(data, law._replace(scatter=0.0))
    mean = np.bincount(bins, e) / np.maximum(np.bincount(bins), 1)
    left = ((e - mean[bins]) ** 2 - variance).sum()
    return float(np.sqrt(left / (total**2).sum())) if left > 0.0 else 0.0
