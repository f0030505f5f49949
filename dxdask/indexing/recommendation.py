"""Which of the settings of a lattice is recommended: DIALS's rule, and the intensities'.

DIALS marks every setting that fits about as well as the triclinic one. Of these one is
recommended here: of the highest symmetry that the intensities do not speak against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LOWEST_CC = 0.3
"""A rotation under which intensities correlate less is no symmetry."""
FRACTION_OF_BEST = 0.5
"""Nor is one with less than this fraction of the best correlation found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of a setting after its refinement.

    Attributes
    ----------
    metric_fit : Le Page delta, degrees. rmsd : mm, None where refinement failed.
    min_cc, max_cc : lowest and highest correlation of intensities under its rotations, None where
        there are too few pairs.
    rotations : of the setting.
    """

    metric_fit: float
    rmsd: float | None
    min_cc: float | None
    max_cc: float | None
    rotations: frozenset[tuple[int, ...]]


def is_acceptable(
    *, metric_fit: float, rmsd: float | None, min_cc: float | None, rmsd_p1: float
) -> bool:
    """Return true if a setting fits about as well as the triclinic one (DIALS's criteria).

    The closer the metric, and the higher the correlation, the larger an rmsd is accepted.
    """
    if rmsd is None:
        return False
    if metric_fit < 0.5:
        return not ((min_cc is None or min_cc < 0.5) and rmsd > 1.5 * rmsd_p1)
    if min_cc is None or min_cc < 0.7:
        return rmsd <= 2.0 * rmsd_p1
    return rmsd <= 3.0 * rmsd_p1


def contradicted(setting: Evidence, best_cc: float | None) -> bool:
    """Return true if the intensities do not have the symmetry of a setting.

    best_cc : the highest correlation under any rotation of the lattice.
    """
    if setting.min_cc is None:
        return False
    return setting.min_cc < LOWEST_CC or setting.min_cc < FRACTION_OF_BEST * (best_cc or 0.0)


def recommended(settings: Sequence[Evidence], acceptable: Sequence[bool]) -> int | None:
    """Return the number of the setting to take, None where none is acceptable.

    Of the acceptable ones that intensities do not contradict it has the most rotations; of several
    with as many, the lowest rmsd where these differ by more than a tenth, then the highest
    correlation, then the best metric fit.
    """
    best_cc = max((s.max_cc for s in settings if s.max_cc is not None), default=None)
    left = [
        i
        for i, (s, good) in enumerate(zip(settings, acceptable, strict=True))
        if good and not contradicted(s, best_cc)
    ]
    if not left:
        return None
    most = max(len(settings[i].rotations) for i in left)
    left = [i for i in left if len(settings[i].rotations) == most]
    lowest = min(settings[i].rmsd or 0.0 for i in left)
    left = [i for i in left if (settings[i].rmsd or 0.0) <= 1.1 * lowest]
    return min(left, key=lambda i: (-(settings[i].min_cc or 0.0), settings[i].metric_fit, i))
