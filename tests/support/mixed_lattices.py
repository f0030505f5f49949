"""Spots of several lattices in one sweep, and which lattice each is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from support.indexing_examples import experiments_of, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, Reflections, concatenate, has_flag, n_rows, select
from dxdask.indexing.misorientation import misorientation
from dxdask.models import Crystal, ExperimentList
from dxdask.models.vectors import matrix
from dxdask.results import StepResult


@dataclass(frozen=True)
class Mixed:
    """Spots of crystals in one sweep; lattice: (n,) the crystal of each spot, -1 for none."""

    experiments: ExperimentList
    crystals: tuple[Crystal, ...]
    spots: Reflections
    lattice: NDArray[np.int64]


def mixed(
    lattice: str, *, fractions: Sequence[float], angle_deg: float | None = None, seed: int = 11,
    outliers: float = 0.05, n_runs: int = 1, sigma: float = 0.1,
) -> Mixed:  # fmt: skip
    """Spots of one cell in several orientations.

    fractions : of the spots of each that are found. angle_deg : of the rotation between them, by
    default any.
    """
    experiments = experiments_of(lattice, n_runs=n_runs)
    first = experiments.crystals[0]
    crystals = [first] + [
        replace(first, a_matrix=matrix(some_rotation(seed + k, angle_deg) @ first.a))
        for k in range(len(fractions) - 1)
    ]
    parts, labels = [], []
    for k, (crystal, fraction) in enumerate(zip(crystals, fractions, strict=True)):
        one = replace(experiments, crystals=(crystal,))
        spots = spots_of(one, seed=5 + k, outliers=outliers, sigma=sigma)
        spots = select(spots, np.arange(int(fraction * n_rows(spots))))
        parts.append(spots)
        labels.append(np.where(spots["hkl"].any(axis=1), k, -1))
    order = np.random.default_rng(seed).permutation(sum(map(len, labels)))
    return Mixed(
        experiments=experiments,
        crystals=tuple(crystals),
        spots=select(concatenate(parts), order),
        lattice=np.concatenate(labels)[order],
    )


def shared_out(truth: Mixed, result: StepResult) -> tuple[list[float], list[float]]:
    """Return the fraction of spots given to their own lattice, and to another, of each crystal.

    Crystals are matched by their misorientation, which must be below a tenth of a degree.
    """
    table, found = result.reflections, result.experiments
    indexed = has_flag(table, Flag.INDEXED)
    crystal = np.array([m.crystal for m in found.members])[table["experiment"]]
    right, wrong = [], []
    for k, true in enumerate(truth.crystals):
        angles = [misorientation(true, c) for c in found.crystals]
        assert min(angles) < 0.1, f"crystal {k} was not found: {angles}"
        mine = truth.lattice == k
        of_it = indexed[mine] & (crystal[mine] == int(np.argmin(angles)))
        right.append(float(of_it.mean()))
        wrong.append(float((indexed[mine] & ~of_it).mean()))
    return right, wrong
