"""Intensities expected of observations, without the observation itself."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.scaling.observations import Observations, median_at_resolution


def expected_of_others(obs: Observations, g: Floats, variance: Floats, outlier: Mask) -> Floats:
    """Return intensities (n,) expected from the other equivalents, or from those of similar d.

    g : (n,) scales. variance : (n,) of the intensities. outlier : (n,), which are left out.
    """
    norm = np.where(outlier, 0.0, g / variance)
    own = norm * obs.intensity
    norm *= g
    total, others = _of_others(obs, own), _of_others(obs, norm)
    # without equivalents, the remainder is rounding
    alone = others <= 1e-9 * norm
    expected = np.divide(total, others, out=total, where=~alone)
    expected *= g
    del own, norm, others  # not in memory beside the temporary arrays of the medians
    return np.where(alone, median_at_resolution(obs, g), expected)


def _of_others(obs: Observations, values: Floats) -> Floats:
    """Return the sums (n,) of values (n,) over the other observations of the group."""
    out = np.add.reduceat(values, obs.offsets[:-1])[obs.group]
    out -= values
    return np.asarray(out)
