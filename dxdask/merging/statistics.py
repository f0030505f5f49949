"""R factors and half-set correlations of merged intensities.

R_merge = sum |I - <I>| / sum I; R_meas with sqrt(n / (n - 1)) (Diederichs & Karplus 1997, Nat.
Struct. Biol. 4, 269), R_pim with sqrt(1 / (n - 1)) (Weiss 2001, J. Appl. Cryst. 34, 130); over
reflections measured more than once. R_split and CC1/2 of two half-sets: White et al. 2012, J. Appl.
Cryst. 45, 335. CC1/2 by the sigma-tau method (Assmann, Brehm & Diederichs 2016, J. Appl. Cryst. 49,
1021) needs no random halves: (s_y - s_e / 2) / (s_y + s_e / 2) with s_y the variance of <I> among
the reflections and s_e twice the mean variance of <I>, from the weighted scatter of the
equivalents.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats


def r_factors(deviation: Floats, n: Floats, total: Floats) -> dict[str, float | None]:
    """Return `r_merge`, `r_meas` and `r_pim` of the reflections measured more than once.

    deviation : (m,) sum |I - <I>| over the observations of each reflection. n : (m,) number of
    observations. total : (m,) sum I. None where the intensities do not add up to more than 0.
    """
    several = n > 1
    n, deviation, bottom = n[several], deviation[several], float(total[several].sum())
    return {
        "r_merge": _ratio(float(deviation.sum()), bottom),
        "r_meas": _ratio(float((deviation * np.sqrt(n / (n - 1))).sum()), bottom),
        "r_pim": _ratio(float((deviation * np.sqrt(1 / (n - 1))).sum()), bottom),
    }


def cc_half_sigma_tau(mean: Floats, variance: Floats) -> float | None:
    """Return CC1/2 of means (n,) with their variances (n,), by the sigma-tau method.

    A variance is nan where there is one observation only. None for fewer than two reflections.
    """
    several = np.isfinite(variance)
    if several.sum() < 2:
        return None
    s_y, half = float(np.var(mean[several], ddof=1)), float(variance[several].mean())
    return _ratio(s_y - half, s_y + half)


def cc_half(even: Floats, odd: Floats) -> float | None:
    """Return CC1/2, the correlation of two half-sets (n,); None where it is not defined."""
    if len(even) < 3 or not (even.std() > 0 and odd.std() > 0):
        return None
    return float(np.corrcoef(even, odd)[0, 1])


def r_split(even: Floats, odd: Floats) -> float | None:
    """Return R_split of two half-sets (n,)."""
    return _ratio(float(np.abs(even - odd).sum() * np.sqrt(2.0)), float((even + odd).sum()))


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None
