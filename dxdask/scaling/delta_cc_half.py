"""Delta CC1/2: the change of CC1/2 of all data when one part of them is left out.

CC1/2 by sigma-tau (Assmann et al. 2016, J. Appl. Cryst. 49, 1021), in shells of resolution: with
the variance s_y of the means of unique reflections and the mean variance s_e of a mean, it is
(s_y - s_e) / (s_y + s_e). The parts are runs, crystals, or groups of images of a run; one is
doubtful where leaving it out improves CC1/2 by more than `stdcutoff` standard deviations of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.models import ExperimentList
from dxdask.scaling.groups import groups_of
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import DeltaCCHalfParameters

_N_SHELLS = 10
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Parts of the data: `of` (n,) part of each observation, and rows that describe them."""

    of: Integers
    rows: list[dict[str, Any]]


def parts_of(
    obs: Observations, experiments: ExperimentList, options: DeltaCCHalfParameters
) -> Parts:
    """Return the parts of `options.mode`: runs, crystals, or groups of images of each run."""
    if options.mode == "image_group":
        return _image_groups(obs, experiments, options.group_size)
    if options.mode == "crystal":
        return _crystals(obs, experiments)
    runs = experiments.run_indices[obs.experiment]
    return Parts(of=runs, rows=[{"run": name} for name in experiments.runs])


def _crystals(obs: Observations, experiments: ExperimentList) -> Parts:
    """Return the crystals, numbered as they first appear, with the runs that each is in."""
    number = np.array(groups_of(experiments, by_crystal=True), dtype=np.int64)
    runs: dict[int, dict[str, None]] = {}
    for crystal, member in zip(number.tolist(), experiments.members, strict=True):
        runs.setdefault(crystal, {})[member.run] = None
    rows = [{"crystal": k, "runs": ", ".join(names)} for k, names in runs.items()]
    return Parts(of=number[obs.experiment], rows=rows)


def _image_groups(obs: Observations, experiments: ExperimentList, group_size: int) -> Parts:
    """Return groups of `group_size` images of each run."""
    runs = experiments.run_indices[obs.experiment]
    start = np.array([e.first_image - 1 for e in experiments])[obs.experiment]
    block = np.maximum((obs.z - start) // group_size, 0).astype(np.int64)
    key, of = np.unique(np.column_stack([runs, block]), axis=0, return_inverse=True)
    first = {e.run: e.first_image for e in experiments}
    rows = []
    for run, k in key.tolist():
        name = experiments.runs[run]
        image = first[name] + k * group_size
        rows.append({"run": name, "first_image": image, "last_image": image + group_size - 1})
    return Parts(of=of.reshape(-1), rows=rows)


def _moments(n: Floats, x: Floats, x2: Floats) -> tuple[Floats, Floats, Floats]:
    """Return whether means count (as 0 or 1), means, and variances of means."""
    several = n > 1.5
    safe = np.where(several, n, 2.0)
    mean = np.where(several, x / safe, 0.0)
    variance = np.where(several, np.maximum(x2 / safe - mean**2, 0.0) / (safe - 1.0), 0.0)
    return several.astype(np.float64), mean, variance


def _cc_half(sums: Floats) -> Floats:
    """Return CC1/2 of sums (..., shell, 4) of count, mean, mean^2 and variance of the mean."""
    n = sums[..., 0]
    safe = np.maximum(n, 1.0)
    spread = sums[..., 2] / safe - (sums[..., 1] / safe) ** 2
    error = sums[..., 3] / safe
    total = spread + error
    cc = np.where((n > 1) & (total > 0), (spread - error) / np.where(total > 0, total, 1.0), 0.0)
    return np.asarray((cc * n).sum(axis=-1) / np.maximum(n.sum(axis=-1), 1.0))


def _shells(obs: Observations) -> tuple[Integers, int]:
    """Return the shell (n_groups,) of each unique reflection, and their number."""
    n_groups = len(obs.hkl)
    order = np.argsort(-obs.d, kind="stable")
    shell = np.empty(n_groups, dtype=np.int64)
    n_shells = max(min(_N_SHELLS, n_groups // 50), 1)
    shell[order] = np.arange(n_groups) * n_shells // n_groups
    return shell, n_shells


def _sums(scaled: Floats, place: Integers, n: int) -> list[Floats]:
    weights = (np.ones(len(place)), scaled, scaled**2)
    return [
        np.asarray(np.bincount(place, weights=w, minlength=n), dtype=np.float64) for w in weights
    ]


def _contents(sums: list[Floats]) -> Floats:
    valid, mean, variance = _moments(*sums)
    return np.column_stack([valid, mean, mean**2, variance])


def _by_place(contents: Floats, place: Integers, n: int) -> Floats:
    return np.array([np.bincount(place, weights=c, minlength=n) for c in contents.T]).T


def cc_half(obs: Observations, scaled: Floats, use: Mask) -> float:
    """Return CC1/2 of the observations that count; arguments as in `delta_cc_half`."""
    shell, n_shells = _shells(obs)
    contents = _contents(_sums(scaled[use], obs.group[use], len(obs.hkl)))
    return float(_cc_half(_by_place(contents, shell, n_shells)))


def delta_cc_half(obs: Observations, scaled: Floats, use: Mask, parts: Parts) -> Floats:
    """Return CC1/2 of all data less that without each part; negative where a part is harmful.

    scaled : (n,) scaled intensities. use : (n,) observations that count.
    """
    n_groups, n_parts = len(obs.hkl), len(parts.rows)
    shell, n_shells = _shells(obs)
    group, values = obs.group[use], scaled[use]
    whole = _sums(values, group, n_groups)
    contents = _contents(whole)
    total = _by_place(contents, shell, n_shells)
    pair, of_pair = np.unique(parts.of[use] * n_groups + group, return_inverse=True)
    part, own = pair // n_groups, pair % n_groups
    removed = _sums(values, of_pair.reshape(-1), len(pair))
    left = [w[own] - s for w, s in zip(whole, removed, strict=True)]
    change = _contents(left) - contents[own]
    changes = _by_place(change, part * n_shells + shell[own], n_parts * n_shells)
    changes = changes.reshape(n_parts, n_shells, 4)
    return np.asarray(_cc_half(total) - _cc_half(total + changes))


def doubtful(delta: Floats, stdcutoff: float, among: Mask) -> Mask:
    """Return the parts, of those `among`, whose delta CC1/2 is far below the mean of these.

    stdcutoff : how many standard deviations.
    """
    if among.sum() < 3:
        return np.zeros_like(among)
    own = delta[among]
    return np.asarray(among & (delta < min(own.mean() - stdcutoff * own.std(), 0.0)))
