"""Robust centre and covariance: the minimum covariance determinant (FAST-MCD).

Rousseeuw & Van Driessen (1999), Technometrics 41, 212: among all subsets of h of the n
observations, the one whose covariance has the smallest determinant. Random subsets of d + 1 are
improved by C-steps (to the h observations nearest to the centre of the subset in its own metric),
which never raise the determinant; for many observations this is done on groups of a random sample
first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.refinement.c_steps import distances, from_candidates, from_subsets

# The sizes of the 1999 paper: of groups, their number, candidates kept, first C-steps.
GROUP_ROWS, MAX_GROUPS, N_KEPT, FIRST_STEPS, MAX_STEPS = 300, 5, 10, 2, 100
SEED = 42
DECIMALS = 9


def subset_size(n: int, alpha: float, n_dim: int = 3) -> int:
    """Return h, the number of n observations in the covariance, for a fraction `alpha`."""
    half = (n + n_dim + 1) // 2
    return min(n, int(2 * half - n + 2 * (n - half) * alpha))


def _subsets(n: int, n_trials: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows (n_trials, 4) of random subsets, each of four different ones."""
    out = rng.integers(0, n - np.arange(4), (n_trials, 4))
    for k in range(1, 4):
        for earlier in np.sort(out[:, :k], axis=1).T:
            out[:, k] += out[:, k] >= earlier
    return out


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


def _of_all(x: Floats, alpha: float, n_trials: int, rng: np.random.Generator) -> _Candidates:
    kept = _Candidates(N_KEPT)
    h = subset_size(len(x), alpha)
    from_subsets(x, _subsets(len(x), n_trials, rng), h, FIRST_STEPS, *kept.lists)
    return kept


def _of_groups(
    x: Floats, alpha: float, n_trials: int, n_groups: int, rng: np.random.Generator
) -> _Candidates:
    rows = rng.permutation(len(x))[: MAX_GROUPS * GROUP_ROWS]
    share = -(-n_trials // n_groups)
    parts = [_of_all(x[g], alpha, share, rng).found for g in np.array_split(rows, n_groups)]
    centres, covariances = (np.concatenate(p) for p in zip(*parts, strict=True))
    kept, h = _Candidates(N_KEPT), subset_size(len(rows), alpha)
    from_candidates(x[rows], centres, covariances, h, FIRST_STEPS, *kept.lists)
    return kept


def _best(x: Floats, alpha: float, n_trials: int) -> tuple[Floats, Floats] | None:
    """Return centre (3,) and raw covariance (3, 3) of the best subset, None if degenerate."""
    rng, n_groups = np.random.default_rng(SEED), min(len(x) // GROUP_ROWS, MAX_GROUPS)
    if n_groups < 2:
        candidates = _of_all(x, alpha, n_trials, rng).found
    else:
        candidates = _of_groups(x, alpha, n_trials, n_groups, rng).found
    h, first, final = subset_size(len(x), alpha), _Candidates(1), _Candidates(1)
    from_candidates(x, *candidates, h, FIRST_STEPS, *first.lists)
    from_candidates(x, *first.found, h, MAX_STEPS, *final.lists)
    centres, covariances = final.found
    return (centres[0], covariances[0]) if len(centres) else None


def robust_distances(residuals: NDArray[Any], *, alpha: float = 0.5, n_trials: int = 500) -> Floats:
    """Return the robust squared Mahalanobis distance of each row of residuals (n, 3).

    The covariance of the best subset is made consistent with a normal distribution by the factor
    (h / n) / P(chi2 with d + 2 degrees of freedom < the h / n quantile of chi2 with d) (Croux &
    Haesbroeck, 1999, J. Multivariate Anal. 71, 161), and unbiased for few observations by the
    factor of Pison, Van Aelst & Willems (2002), Metrika 55, 111.
    Infinity where a coordinate is not finite; zero everywhere where the residuals have no spread.
    """
    x = np.ascontiguousarray(residuals, dtype=np.float64)
    good = np.isfinite(x).all(axis=1)
    out = np.where(good, 0.0, np.inf)
    x = x[good]
    scale = x.std(axis=0) if len(x) > 4 else np.zeros(3)
    if not (scale > 0.0).all():
        return out
    # rounded far below any spread: of two nearly equal subsets, the last bits, which depend on
    # units and processors, must not select one
    x = np.round((x - x.mean(axis=0)) / scale, DECIMALS)
    best = _best(x, alpha, n_trials)
    if best is None:
        return out
    centre, covariance = best
    distance = np.empty(len(x))
    factor = _consistency(subset_size(len(x), alpha) / len(x)) * _small_sample(len(x), alpha)
    distances(x, centre, covariance * factor, distance)
    out[good] = distance
    return out


def _consistency(fraction: float) -> float:
    if fraction >= 1.0:
        return 1.0
    return float(fraction / scipy.special.chdtr(5, scipy.special.chdtri(3, 1.0 - fraction)))


# Pison, Van Aelst & Willems (2002): for subsets of half and of 7/8 of the data, gamma, beta and q
# of the two curves of their fit of the bias for any number of dimensions.
_HALF = ((-1.42764571687802, 1.26263336932151, 2.0), (-1.06141115981725, 1.28907991440387, 3.0))
_MOST = ((-0.455179464070565, 1.11192541278794, 2.0), (-0.294241208320834, 1.09649329149811, 3.0))


def _small_sample(n: int, alpha: float, n_dim: int = 3) -> float:
    """Return the factor that corrects the covariance of n observations for its bias."""

    def bias(curves: tuple[tuple[float, float, float], ...]) -> float:
        gamma, beta, q = np.array(curves).T
        rhs = np.log(-gamma / n_dim**beta)
        line = np.column_stack([np.ones(2), -np.log(q * n_dim**2)])
        intercept, slope = np.linalg.solve(line, rhs)
        return float(1.0 - np.exp(intercept) / n**slope)

    most = bias(_MOST)
    if alpha <= 0.875:
        half = bias(_HALF)
        return 1.0 / (half + (most - half) * (alpha - 0.5) / 0.375)
    return 1.0 / (most + (1.0 - most) * (alpha - 0.875) / 0.125)
