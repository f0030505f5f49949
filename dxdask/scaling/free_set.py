"""Free sets of unique reflections, agreement of equivalents, and choice of the absorption level.

A fit of the scales is judged by groups of equivalents that it did not use: what it explains of
them is real (Beilstein-Edmands et al. 2020, Acta Cryst. D76, 385, cross validation). Two models are
compared group by group: a gain is significant from `SIGNIFICANT` times the error of its sum on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.scaling.delta_cc_half import cc_half
from dxdask.scaling.fit import group_costs, group_means
from dxdask.scaling.observations import Observations

SIGNIFICANT = 3.0
_ENOUGH = 20_000  # free observations; of small data several free sets are left out in turn
_MOST_SETS = 10


def free_sets(obs: Observations, percentage: float) -> tuple[NDArray[np.int64], int]:
    """Return the free set (n_groups,) of each unique reflection, and the number of sets.

    The sets are alike in resolution, and do not depend on the order of the observations.
    """
    n_sets = max(round(100.0 / percentage), 2)
    order = np.lexsort((*obs.hkl.T, obs.d))
    out = np.empty(len(order), dtype=np.int64)
    out[order] = np.arange(len(order)) % n_sets
    return out, n_sets


def sets_to_leave_out(n_observations: int, n_sets: int) -> int:
    """Return how many of the sets are left out in turn, so that enough observations are free."""
    return int(np.clip(np.ceil(_ENOUGH * n_sets / max(n_observations, 1)), 1, n_sets))


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Agreement of equivalents of g groups.

    Attributes
    ----------
    cost : (g,) sum w (I - g <I>)^2. scatter : (g,) sum |I/g - <I>| (n / (n - 1))^1/2.
    total : (g,) sum I/g. n : (g,) observations; 0 for groups of one, which do not count.
    """

    cost: Floats
    scatter: Floats
    total: Floats
    n: NDArray[np.int64]

    def r_meas(self, groups: Mask) -> float | None:
        """Return Rmeas of some groups, or None where it has no value."""
        total = float(self.total[groups & (self.n > 1)].sum())
        return float(self.scatter[groups & (self.n > 1)].sum()) / total if total > 0 else None


def agreement(obs: Observations, weight: Floats, g: Floats) -> Agreement:
    """Return the agreement of the equivalents of `obs`; weight : (n,), 0 where rejected."""
    mean, _ = group_means(obs.offsets, weight, g, obs.intensity)
    used = weight > 0
    n = np.add.reduceat(used.astype(np.int64), obs.offsets[:-1])
    scaled = np.where(used, obs.intensity / g, 0.0)
    scatter = np.add.reduceat(
        np.where(used, np.abs(scaled - mean[obs.group]), 0.0), obs.offsets[:-1]
    )
    total = np.add.reduceat(scaled, obs.offsets[:-1])
    several = n > 1
    factor = np.sqrt(np.divide(n, n - 1, out=np.zeros(len(n)), where=several))
    return Agreement(
        cost=np.where(several, group_costs(obs.offsets, weight, g, obs.intensity, mean), 0.0),
        scatter=scatter * factor,
        total=np.where(several, total, 0.0),
        n=np.where(several, n, 0),
    )


def free_agreement(
    obs: Observations,
    weight: Floats,
    fit: Callable[[Floats], Floats],
    percentage: float,
) -> tuple[Agreement, Mask, float | None]:
    """Return the agreement of groups when they are free, which groups these are, and work Rmeas.

    fit : takes the weights (n,) of a fit, returns scales (n,). Sets are left out in turn.
    """
    sets, n_sets = free_sets(obs, percentage)
    n_left_out = sets_to_leave_out(int((weight > 0).sum()), n_sets)
    tested = sets < n_left_out
    parts: list[Agreement] = []
    work = []
    for k in range(n_left_out):
        g = fit(np.where(sets[obs.group] == k, 0.0, weight))
        parts.append(agreement(obs, weight, g))
        work.append(parts[-1].r_meas(sets != k))
    picked = {
        name: np.choose(np.minimum(sets, n_left_out - 1), [getattr(p, name) for p in parts])
        for name in ("cost", "scatter", "total", "n")
    }
    known = [w for w in work if w is not None]
    return Agreement(**picked), tested, float(np.mean(known)) if known else None


def gain(simple: Agreement, other: Agreement, groups: Mask) -> float:
    """Return how much better `other` explains the groups, in standard errors of the difference."""
    difference = (simple.cost - other.cost)[groups]
    error = float(np.sqrt((difference**2).sum()))
    return float(difference.sum()) / error if error > 0 else 0.0


def validation_row(name: str, n_parameters: int, found: Agreement, groups: Mask) -> dict[str, Any]:
    """Return a row of the table `validation`."""
    return {
        "absorption": name,
        "n_parameters": n_parameters,
        "n_free": int(found.n[groups].sum()),
        "r_meas_free": found.r_meas(groups),
    }


def free_set_rows(obs: Observations, weight: Floats, g: Floats, free: Mask) -> list[dict[str, Any]]:
    """Return the rows of the agreement of work and free set; none where no set is left out.

    weight : (n,) 0 where rejected. free : (n,), left out of the fits.
    """
    if not free.any():
        return []
    found, of_group = agreement(obs, weight, g), free[obs.offsets[:-1]]
    return [
        {
            "set": name,
            "n_obs": int(found.n[groups].sum()),
            "n_unique": int((found.n[groups] > 0).sum()),
            "r_meas": found.r_meas(groups),
            "cc_half": cc_half(obs, obs.intensity / g, groups[obs.group] & (weight > 0)),
        }
        for name, groups in (("work", ~of_group), ("free", of_group))
    ]
