"""The resolution to which intensities are significant.

Of observations in P1, by the first shell that is weak or does not repeat itself: correlations of
operators need strong intensities and no exact limit. `merging.limits` estimates the limit of merged
intensities, by curves fitted to CC1/2 and I/sigma.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.symmetry.intensities import Intensities
from dxdask.symmetry.operators import keys_of

PER_SHELL = 300
MOST_SHELLS = 30
FEWEST_PAIRS = 20


def significant_d_min(data: Intensities, d: Floats, min_ratio: float, min_cc_half: float) -> float:
    """Return the resolution (Angstrom) up to which shells are significant.

    A shell is so where mean I over mean sigma is at least `min_ratio` and, where enough of its
    reflections are repeated in P1, the correlation of halves of observations is `min_cc_half`.

    Raises
    ------
    InputError
        No shell is significant.
    """
    n = int(np.clip(len(data) // PER_SHELL, 1, MOST_SHELLS))
    limit, best = None, 0.0
    for shell in np.array_split(np.argsort(-d, kind="stable"), n):
        ratio = float(data.intensity[shell].mean() / data.sigma[shell].mean())
        best = max(best, ratio)
        cc = _cc_half(data.select(shell))
        if ratio < min_ratio or (cc is not None and cc < min_cc_half):
            if limit is not None:
                break
            continue
        limit = float(d[shell].min())
    if limit is None:
        raise InputError(
            f"no significant intensity: of {len(data)} reflections the best shell of resolution "
            f"has <I>/<sigma> of {best:.2f}, and {min_ratio:g} is needed; integrate stronger "
            "data, or lower min_i_mean_over_sigma_mean, or give known_space_group="
        )
    return limit


def _cc_half(data: Intensities) -> float | None:
    key = keys_of(data.hkl, data.crystal)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    # pairs of neighbours, none used twice
    same = same[np.append(True, np.diff(same) > 1)] if len(same) else same
    if len(same) < FEWEST_PAIRS:
        return None
    x, y = data.intensity[order][same], data.intensity[order][same + 1]
    return float(np.corrcoef(x, y)[0, 1])
