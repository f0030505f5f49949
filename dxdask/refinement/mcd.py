"""Robust centre and covariance: the minimum covariance determinant (FAST-MCD).

Rousseeuw & Van Driessen (1999), Technometrics 41, 212: among all subsets of h of the n observations,
the one whose covariance has the smallest determinant. Random subsets of d + 1 are improved by C-steps
(take the h observations nearest to the subset's own centre in its own metric), which never raise the
determinant; for many observations this is done on groups of a random sample first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

# The sizes of the 1999 paper: groups, how many, candidates kept, C-steps at first.
GROUP_ROWS, MAX_GROUPS, N_KEPT, FIRST_STEPS, MAX_STEPS = 300, 5, 10, 2, 100
SEED = 42


@njit(cache=True, nogil=True, error_model="numpy")
def _smallest(values, k, work):  # type: ignore[no-untyped-def]
    """Return the k-th smallest (from 1) of values (n,), by Hoare's quickselect on work (n,)."""
    n = values.shape[0]
    for i in range(n):
        work[i] = values[i]
    low, high = 0, n - 1
    while low < high:
        pivot = work[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while work[i] < pivot:
                i += 1
            while work[j] > pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    return work[k - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(x, distance, limit, centre, covariance):  # type: ignore[no-untyped-def]
    """Fill centre (3,) and covariance (3, 3) of the rows of x (n, 3) whose distance is <= limit."""
    count = 0
    centre[:] = 0.0
    covariance[:] = 0.0
    for i in range(x.shape[0]):
        if distance[i] <= limit:
            count += 1
            for a in range(3):
                centre[a] += x[i, a]
    for a in range(3):
        centre[a] /= count
    for i in range(x.shape[0]):
        if distance[i] <= limit:
            for a in range(3):
                for b in range(a + 1):
                    covariance[a, b] += (x[i, a] - centre[a]) * (x[i, b] - centre[b])
    for a in range(3):
        for b in range(a + 1):
            covariance[a, b] /= max(count - 1, 1)
            covariance[b, a] = covariance[a, b]


@njit(cache=True, nogil=True, error_model="numpy")
def _distances(x, centre, covariance, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) with squared Mahalanobis distances; return det(covariance), 0 if singular."""
    c = covariance
    i00 = c[1, 1] * c[2, 2] - c[1, 2] * c[1, 2]
    i01 = c[0, 2] * c[1, 2] - c[0, 1] * c[2, 2]
    i02 = c[0, 1] * c[1, 2] - c[0, 2] * c[1, 1]
    det = c[0, 0] * i00 + c[0, 1] * i01 + c[0, 2] * i02
    if not det > 1e-12 * c[0, 0] * c[1, 1] * c[2, 2]:
        return 0.0
    i11 = (c[0, 0] * c[2, 2] - c[0, 2] * c[0, 2]) / det
    i12 = (c[0, 1] * c[0, 2] - c[0, 0] * c[1, 2]) / det
    i22 = (c[0, 0] * c[1, 1] - c[0, 1] * c[0, 1]) / det
    i00, i01, i02 = i00 / det, i01 / det, i02 / det
    for n in range(x.shape[0]):
        u, v, w = x[n, 0] - centre[0], x[n, 1] - centre[1], x[n, 2] - centre[2]
        out[n] = (
            i00 * u * u
            + i11 * v * v
            + i22 * w * w
            + 2.0 * (i01 * u * v + i02 * u * w + i12 * v * w)
        )
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def _concentrate(x, h, n_steps, centre, covariance, distance, work):  # type: ignore[no-untyped-def]
    """Take up to n_steps C-steps from centre, covariance, in place; return the determinant (0: singular)."""
    before = np.inf
    det = _distances(x, centre, covariance, distance)
    for _ in range(n_steps):
        if det == 0.0 or det == before:
            break
        before = det
        _moments(x, distance, _smallest(distance, h, work), centre, covariance)
        det = _distances(x, centre, covariance, distance)
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(det, centre, covariance, dets, centres, covariances):  # type: ignore[no-untyped-def]
    """Put a candidate into the list (k,) sorted by determinant where it is better than the worst."""
    last = dets.shape[0] - 1
    if det == 0.0 or det >= dets[last]:
        return
    place = last
    while place > 0 and dets[place - 1] > det:
        dets[place] = dets[place - 1]
        centres[place] = centres[place - 1]
        covariances[place] = covariances[place - 1]
        place -= 1
    dets[place] = det
    centres[place] = centre
    covariances[place] = covariance


@njit(cache=True, nogil=True, error_model="numpy")
def _from_subsets(  # type: ignore[no-untyped-def]
    x, subsets, h, n_steps, dets, centres, covariances
):
    n = x.shape[0]
    distance, work = np.empty(n), np.empty(n)
    centre, covariance = np.empty(3), np.empty((3, 3))
    few, ones = np.empty((subsets.shape[1], 3)), np.ones(subsets.shape[1])
    for t in range(subsets.shape[0]):
        for i in range(subsets.shape[1]):
            few[i] = x[subsets[t, i]]
        _moments(few, ones, 2.0, centre, covariance)
        det = _concentrate(x, h, n_steps, centre, covariance, distance, work)
        _keep(det, centre, covariance, dets, centres, covariances)


@njit(cache=True, nogil=True, error_model="numpy")
def _from_candidates(  # type: ignore[no-untyped-def]
    x, starts, start_covariances, h, n_steps, dets, centres, covariances
):
    n = x.shape[0]
    distance, work = np.empty(n), np.empty(n)
    centre, covariance = np.empty(3), np.empty((3, 3))
    for t in range(starts.shape[0]):
        centre[:] = starts[t]
        covariance[:] = start_covariances[t]
        det = _concentrate(x, h, n_steps, centre, covariance, distance, work)
        _keep(det, centre, covariance, dets, centres, covariances)


def subset_size(n: int, alpha: float, n_dim: int = 3) -> int:
    """Return h, how many of n observations the covariance is taken over, for a fraction `alpha`."""
    half = (n + n_dim + 1) // 2
    return min(n, int(2 * half - n + 2 * (n - half) * alpha))


def _subsets(n: int, n_trials: int, rng: np.random.Generator) -> NDArray[np.int64]:
    # Four rows out of n, without repeats within a trial: the smallest of random keys, by trial.
    return np.array([rng.choice(n, 4, replace=False) for _ in range(n_trials)], dtype=np.int64)


class _Candidates:
    """The best centres and covariances so far, sorted by determinant."""

    def __init__(self, size: int) -> None:
        self.dets = np.full(size, np.inf)
        self.centres = np.zeros((size, 3))
        self.covariances = np.zeros((size, 3, 3))

    @property
    def found(self) -> tuple[Floats, Floats]:
        good = np.isfinite(self.dets)
        return self.centres[good], self.covariances[good]

    @property
    def lists(self) -> tuple[Floats, Floats, Floats]:
        return self.dets, self.centres, self.covariances


def _best(x: Floats, alpha: float, n_trials: int) -> tuple[Floats, Floats] | None:
    """Return centre (3,) and raw covariance (3, 3) of the best subset, None where x is degenerate."""
    rng, n = np.random.default_rng(SEED), len(x)
    n_groups = min(n // GROUP_ROWS, MAX_GROUPS)
    if n_groups < 2:
        kept = _Candidates(N_KEPT)
        trials = _subsets(n, n_trials, rng)
        _from_subsets(x, trials, subset_size(n, alpha), FIRST_STEPS, *kept.lists)
        candidates = kept.found
    else:
        rows = rng.permutation(n)[: min(n, MAX_GROUPS * GROUP_ROWS)]
        groups = np.array_split(rows, n_groups)
        parts = []
        for group in groups:
            kept = _Candidates(N_KEPT)
            trials = _subsets(len(group), -(-n_trials // n_groups), rng)
            _from_subsets(
                x[group], trials, subset_size(len(group), alpha), FIRST_STEPS, *kept.lists
            )
            parts.append(kept.found)
        merged, kept = x[rows], _Candidates(N_KEPT)
        starts, covariances = (np.concatenate(p) for p in zip(*parts, strict=True))
        _from_candidates(
            merged, starts, covariances, subset_size(len(rows), alpha), FIRST_STEPS, *kept.lists
        )
        candidates = kept.found
    final = _Candidates(1)
    _from_candidates(x, *candidates, subset_size(n, alpha), MAX_STEPS, *final.lists)
    centres, covariances = final.found
    return (centres[0], covariances[0]) if len(centres) else None


def robust_distances(
    residuals: NDArray[Any], *, alpha: float = 0.5, n_trials: int = 500, reweight: bool = False
) -> Floats:
    """Return the robust squared Mahalanobis distance of each row of residuals (n, 3).

    The covariance of the best subset is made consistent with a normal distribution by the factor
    (h / n) / P(chi2 with d + 2 degrees of freedom < the h / n quantile of chi2 with d) (Croux &
    Haesbroeck, 1999, J. Multivariate Anal. 71, 161). With `reweight`, centre and covariance are taken
    once more over the rows within the 0.975 quantile.
    Infinity where a coordinate is not finite; zero everywhere where the residuals have no spread.
    """
    x = np.ascontiguousarray(residuals, dtype=np.float64)
    good = np.isfinite(x).all(axis=1)
    out = np.where(good, 0.0, np.inf)
    x = x[good]
    scale = x.std(axis=0) if len(x) > 4 else np.zeros(3)
    if not (scale > 0.0).all():
        return out
    x = x / scale
    best = _best(x, alpha, n_trials)
    if best is None:
        return out
    centre, covariance = best
    distance = np.empty(len(x))
    _distances(x, centre, covariance * _consistency(subset_size(len(x), alpha) / len(x)), distance)
    if reweight:
        limit = float(chi2.ppf(0.975, 3))
        _moments(x, distance, limit, centre, covariance)
        _distances(x, centre, covariance * _consistency(0.975), distance)
    out[good] = distance
    return out


def _consistency(fraction: float) -> float:
    if fraction >= 1.0:
        return 1.0
    return float(fraction / chi2.cdf(chi2.ppf(fraction, 3), 5))
