"""Likelihood of symmetry elements and of Laue groups (Evans 2011, Acta Cryst. D67, 282)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.symmetry.correlations import Correlation
from dxdask.symmetry.operators import Rotation, elements

LEAST_SD_CC = 0.1
"""Least standard deviation of a correlation: systematic errors do not fall with the pairs."""
FEWEST_PAIRS = 3
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True, kw_only=True, slots=True)
class ElementScore:
    """A symmetry element with its correlation and likelihood.

    Attributes
    ----------
    cc : None where there are too few pairs. n : pairs. sd : of cc. z : cc / sd.
    p_present, p_absent : densities of cc where the element is present, and where it is not.
    """

    rotation: Rotation
    cc: float | None
    n: int
    sd: float
    p_present: float
    p_absent: float

    @property
    def z(self) -> float:
        """The correlation in standard deviations."""
        return 0.0 if self.cc is None else self.cc / self.sd

    @property
    def likelihood(self) -> float:
        """The probability of the element, equal to that of its absence before the data."""
        return self.p_present / (self.p_present + self.p_absent)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupScore:
    """Likelihood and confidence of a Laue group, and its elements' correlations.

    z_for, z_against : r.m.s. z of the elements in the group, and of the others.
    cc_for, cc_against : their mean correlations, None where there are none.
    """

    rotations: frozenset[Rotation]
    likelihood: float
    confidence: float
    z_for: float
    z_against: float
    cc_for: float | None
    cc_against: float | None


def lorentzian(cc: float, centre: Floats | float, width: float) -> Floats:
    """Return the density at cc of Lorentzians about centres, truncated to -1 .. 1."""
    m = np.asarray(centre, dtype=np.float64)
    area = (np.arctan((1.0 - m) / width) - np.arctan((-1.0 - m) / width)) / np.pi
    return np.asarray(1.0 / (np.pi * width * (1.0 + ((cc - m) / width) ** 2)) / area)


def element_score(
    rotation: Rotation, found: Correlation, expected: float, factor: float
) -> ElementScore:
    """Return the score of a symmetry element from the correlation of its pairs.

    An absent element may have any correlation m from 0 to 1, with probability (1 - m^2)^1/2.
    """
    sd = max(LEAST_SD_CC, factor / np.sqrt(max(found.n, 1)))
    if found.cc is None or found.n < FEWEST_PAIRS:
        return ElementScore(
            rotation=rotation, cc=None, n=found.n, sd=sd, p_present=1.0, p_absent=1.0
        )
    m = 0.5 * (_NODES + 1.0)
    weight = _WEIGHTS * np.sqrt(1.0 - m**2)
    absent = float((lorentzian(found.cc, m, sd) * weight).sum() / weight.sum())
    present = float(lorentzian(found.cc, expected, sd))
    return ElementScore(
        rotation=rotation, cc=found.cc, n=found.n, sd=sd, p_present=present, p_absent=absent
    )


def group_scores(
    groups: Sequence[frozenset[Rotation]], scores: Mapping[Rotation, ElementScore]
) -> list[GroupScore]:
    """Return the scores of groups, most likely first; of equally likely ones the smallest.

    The likelihood is the product of p_present of the elements in the group and p_absent of the
    others, normalised; the confidence is (p (p - p_next))^1/2.
    """
    logs = []
    for group in groups:
        mine = set(elements(group))
        logs.append(
            sum(np.log(s.p_present if w in mine else s.p_absent) for w, s in scores.items())
        )
    p = np.exp(np.array(logs) - max(logs))
    p /= p.sum()
    order = sorted(range(len(groups)), key=lambda i: (-round(float(p[i]), 9), len(groups[i]), i))
    found = []
    for place, i in enumerate(order):
        following = p[order[place + 1]] if place + 1 < len(order) else 0.0
        present = [scores[w] for w in elements(groups[i])]
        absent = [s for s in scores.values() if s not in present]
        found.append(
            GroupScore(
                rotations=groups[i],
                likelihood=float(p[i]),
                confidence=float(np.sqrt(p[i] * max(p[i] - following, 0.0))),
                z_for=_rms(present),
                z_against=_rms(absent),
                cc_for=_mean_cc(present),
                cc_against=_mean_cc(absent),
            )
        )
    return found


def _rms(scores: Sequence[ElementScore]) -> float:
    z = [s.z for s in scores if s.cc is not None]
    return float(np.sqrt(np.mean(np.square(z)))) if z else 0.0


def _mean_cc(scores: Sequence[ElementScore]) -> float | None:
    known = [s for s in scores if s.cc is not None]
    n = sum(s.n for s in known)
    return sum((s.cc or 0.0) * s.n for s in known) / n if n else None
