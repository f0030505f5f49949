"""Choice of the best of refined lattices: by a weighted score, or by filters, as in DIALS.

Source: Gildea et al. 2014, Acta Cryst. D70, 2652, and DIALS's parameters `solution_scorer`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.indexing.parameters import FilterScorer, WeightedScorer

FEWEST_OF_BEST = 0.05
DOUBLED_GAIN = 1.1
SAME_AXIS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Solutions:
    """Refined lattices (n,).

    Attributes
    ----------
    a_matrices : (n, 3, 3), 1/Angstrom, of cells of one centring.
    volumes : of the primitive cells, Angstrom^3.
    n_indexed : spots. rmsds : in the detector plane, mm.
    """

    a_matrices: Floats
    volumes: Floats
    n_indexed: Floats
    rmsds: Floats


def weighted_scores(solutions: Solutions, weights: WeightedScorer) -> Floats:
    """Return the scores (n,), the smallest is the best.

    They are the weighted sums of log2 of volume, inverse fraction indexed and rmsd, each relative
    to the best of the lattices compared.
    """
    terms = (
        (weights.volume_weight, solutions.volumes / solutions.volumes.min()),
        (weights.n_indexed_weight, solutions.n_indexed.max() / solutions.n_indexed),
        (weights.rmsd_weight, solutions.rmsds / solutions.rmsds.min()),
    )
    return np.asarray(sum((w * np.log2(ratio)) ** weights.power for w, ratio in terms))


def filter_scores(solutions: Solutions, cutoffs: FilterScorer) -> Floats:
    """Return the scores (n,), the smallest is the best: how many filters a lattice does not pass.

    The filters are, in their order: hardly any spot indexed, a multiple of another cell that
    indexes hardly more, likelihood, volume and number of indexed spots, each relative to the best
    of those that passed the filters before. Among equals the rmsd decides: it is the fraction.
    """
    n = len(solutions.volumes)
    passed = np.ones(n, dtype=bool)
    score = np.full(n, 5.0)
    likelihood = 1.0 - solutions.rmsds
    if likelihood.max() <= 0.0:
        likelihood = likelihood + np.ceil(-likelihood.max() + 1e-9)
    doubled = is_multiple(solutions) if cutoffs.check_doubled_cell else np.zeros(n, dtype=bool)
    for test in range(5):
        best = passed.copy()
        passed = (
            best
            & (
                solutions.n_indexed >= FEWEST_OF_BEST * solutions.n_indexed[best].max(),
                ~doubled,
                likelihood >= cutoffs.likelihood_cutoff * likelihood[best].max(),
                solutions.volumes < cutoffs.volume_cutoff * solutions.volumes[best].min(),
                solutions.n_indexed >= cutoffs.n_indexed_cutoff * solutions.n_indexed[best].max(),
            )[test]
        )
        passed = passed if passed.any() else best
        score[passed] = 4.0 - test
    return score + 0.5 * solutions.rmsds / (solutions.rmsds + 1.0)


def is_multiple(solutions: Solutions) -> NDArray[np.bool_]:
    """Return true (n,) for cells that are multiples of another that indexes nearly as many spots.

    That is more than 1 / 1.1 of the spots of the multiple.
    """
    n = len(solutions.volumes)
    found = np.zeros(n, dtype=bool)
    bases = np.linalg.inv(solutions.a_matrices)
    for i, j in np.ndindex(n, n):
        axes = bases[i] @ solutions.a_matrices[j]
        nearest = np.rint(axes)
        if np.abs(axes - nearest).max() > SAME_AXIS or abs(np.linalg.det(nearest)) < 1.5:
            continue
        found[i] |= solutions.n_indexed[i] < DOUBLED_GAIN * solutions.n_indexed[j]
    return found
