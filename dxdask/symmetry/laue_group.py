"""The Laue group of intensities, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.symmetry.correlations import (
    expected_correlation,
    fixed_by,
    friedel_correlation,
    merge_p1,
    operator_correlation,
    sd_factor,
)
from dxdask.symmetry.intensities import Intensities, spacings_of
from dxdask.symmetry.lattice_group import LaueGroup
from dxdask.symmetry.likelihood import ElementScore, GroupScore, element_score, group_scores
from dxdask.symmetry.operators import Rotation, elements, operator_text, unique_under

CERTAIN = 0.8
"""Least confidence of a group that is not called ambiguous."""
LOWER = 0.03
HIGH = 0.5
DEVIATIONS = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LaueResult:
    """The most likely Laue group, with all scores.

    Attributes
    ----------
    best : the group. groups : all that the lattice allows, most likely first, as `scores`.
    elements : scores of the elements. expected : correlation of true equivalents.
    factor : of the standard deviation of a correlation, factor / sqrt(N).
    """

    groups: Sequence[LaueGroup]
    scores: Sequence[GroupScore]
    elements: Sequence[ElementScore]
    expected: float
    factor: float

    @property
    def best(self) -> LaueGroup:
        """The most likely group."""
        return self.groups[0]

    @property
    def confidence(self) -> float:
        """The confidence of the most likely group."""
        return self.scores[0].confidence


def find_laue_group(
    data: Intensities, reduced: Floats, groups: Sequence[LaueGroup], *, by_crystal: bool
) -> LaueResult:
    """Return the most likely Laue group of normalised intensities without axial reflections.

    reduced : A (3, 3) of the axes of the indices. by_crystal : whether equivalents are compared
    within each crystal only, as where their settings may differ.
    """
    merged = merge_p1(data, by_crystal=by_crystal)
    lattice = max((g.rotations for g in groups), key=len)
    unrelated = unique_under(merged.hkl, lattice)
    factor = sd_factor(merged.intensity, unrelated, spacings_of(merged.hkl, reduced))
    expected = expected_correlation(merged, friedel_correlation(data), factor)
    fixed = fixed_by(merged.hkl, lattice)
    scores: dict[Rotation, ElementScore] = {
        w: element_score(w, operator_correlation(merged, w, fixed), expected, factor)
        for w in elements(lattice)
    }
    ranked = group_scores([g.rotations for g in groups], scores)
    by_rotations = {g.rotations: g for g in groups}
    return LaueResult(
        groups=[by_rotations[s.rotations] for s in ranked],
        scores=ranked,
        elements=list(scores.values()),
        expected=expected,
        factor=factor,
    )


def doubts(found: LaueResult) -> list[str]:
    """Return lines on what makes the Laue group uncertain."""
    best, change = found.best, found.best.change
    mine = set(elements(best.rotations))
    lines = []
    if len(found.groups) > 1 and found.confidence < CERTAIN:
        lines.append(
            f"the Laue group is ambiguous: {best.group.xhm()} has the likelihood "
            f"{found.scores[0].likelihood:.2f}, {found.groups[1].group.xhm()} "
            f"{found.scores[1].likelihood:.2f}; measure more data, or give known_space_group="
        )
    untested = [s for s in found.elements if s.cc is None]
    if untested:
        names = ", ".join(operator_text(s.rotation, change) for s in untested)
        lines.append(f"too few pairs of equivalents to test the operators {names}")
    known = [s for s in found.elements if s.cc is not None]
    highest = max([found.expected, *(s.cc for s in known if s.rotation in mine and s.cc)])
    for s in known:
        cc = s.cc or 0.0
        name = operator_text(s.rotation, change)
        error = max(1.0 - cc**2, 0.02) / np.sqrt(s.n)
        if s.rotation in mine and highest - cc > max(LOWER, DEVIATIONS * error):
            lines.append(
                f"{name} correlates by {cc:.2f} where {highest:.2f} is expected: pseudo-symmetry, "
                "twinning or absorption; the Laue group may be lower"
            )
        elif s.rotation not in mine and cc > HIGH:
            lines.append(
                f"{name} is not accepted but correlates by {cc:.2f}: pseudo-symmetry or twinning"
            )
    return lines
