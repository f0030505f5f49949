"""Screw axes and the space group, by the systematic absences of axial reflections.

The chiral space groups of a Laue group and centring differ, as far as intensities can tell, by the
period of the present reflections along each axis: 2 along a 2(1), 4(2) or 6(3) axis, 3 along 3(1)
or 6(2), 4 along 4(1), 6 along 6(1) (Evans 2011, Acta Cryst. D67, 282). Each period is given a
probability by the density of the normalised intensities: those of present reflections have
Wilson's distributions, those of absent ones are distributed about zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.models.metric import rotations_of
from dxdask.models.symmetry import is_centric
from dxdask.symmetry.densities import log_densities

_MULTIPLES = 24
LETTERS = {(1, 0, 0): "a", (0, 1, 0): "b", (0, 0, 1): "c"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A rotation axis with axial reflections of several possible periods.

    Attributes
    ----------
    direction : the shortest reflection (3,) along it that centring allows.
    equivalents : (m, 3), those of the axes that are equivalent. order : of the rotation.
    periods : that the space groups have along it, ascending.
    """

    direction: tuple[int, int, int]
    equivalents: tuple[tuple[int, int, int], ...]
    order: int
    periods: tuple[int, ...]

    def name(self, period: int) -> str:
        """Return the name of the screw axis of a period, as in DIALS: 21a, 41c, 62c."""
        screw = self.order // period if self.order > period else 1
        letter = LETTERS.get(self.direction, f"[{','.join(map(str, self.direction))}]")
        return f"{self.order}{screw}{letter}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AbsenceScore:
    """A screw axis or glide plane: reflections present and absent by it, and its probability.

    Means are of I / sigma and of normalised intensities; None where there is no reflection.
    """

    name: str
    probability: float
    n_present: int
    n_absent: int
    i_over_sigma_present: float | None
    i_over_sigma_absent: float | None
    mean_present: float | None
    mean_absent: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceGroupScore:
    """Space groups with the same absences, and their probability."""

    groups: tuple[gemmi.SpaceGroup, ...]
    probability: float
    conditions: tuple[int, ...]


def candidates(laue: gemmi.SpaceGroup) -> list[gemmi.SpaceGroup]:
    """Return the chiral space groups of these rotations and this centring, in these axes.

    Of several settings that differ by their origin the first of gemmi's table is returned.
    """
    own = laue.operations()
    found: dict[tuple[int, bytes], gemmi.SpaceGroup] = {}
    grid = _axial_grid()
    for group in gemmi.spacegroup_table():
        if not group.is_sohncke() or group.centring_type() != laue.centring_type():
            continue
        operations = group.operations()
        if not operations.has_same_rotations(own) or not operations.has_same_centring(own):
            continue
        absent = operations.systematic_absences(grid)
        found.setdefault((group.number, np.asarray(absent).tobytes()), group)
    return list(found.values())


def _axial_grid() -> NDArray[np.int32]:
    grid = np.stack(np.meshgrid(*[np.arange(-4, 13)] * 3, indexing="ij"), -1).reshape(-1, 3)
    return np.asarray(grid[(grid != 0).sum(axis=1) <= 1], dtype=np.int32)


def axes_of(laue: gemmi.SpaceGroup, groups: Sequence[gemmi.SpaceGroup]) -> list[Axis]:
    """Return the axes along which these space groups have different absences."""
    found, seen = [], set()
    rotations = np.rint(rotations_of(laue.operations())).astype(np.int64)
    for w in rotations:
        if np.trace(w) == 3:
            continue
        h = _shortest_along(w)
        if h is None or h in seen:
            continue
        equivalents = _equivalents(h, rotations)
        seen |= set(equivalents)
        on_axis = [g for g in rotations if np.array_equal(np.array(h) @ g, h)]
        periods = tuple(sorted({period_of(g, h) for g in groups}))
        if len(periods) > 1:
            direction = max(equivalents, key=lambda v: (v in LETTERS, v))
            found.append(
                Axis(
                    direction=direction,
                    equivalents=tuple(sorted(equivalents)),
                    order=len(on_axis),
                    periods=periods,
                )
            )
    return sorted(found, key=lambda a: a.direction)


def _shortest_along(w: NDArray[np.int64]) -> tuple[int, int, int] | None:
    """Return the shortest index h with h W = h, whose multiples centring may take away."""
    grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    on = grid[np.all(grid @ w == grid, axis=1) & np.any(grid != 0, axis=1)]
    if not len(on):
        return None
    best = min(on.tolist(), key=lambda v: (sum(x * x for x in v), [-x for x in v]))
    return (best[0], best[1], best[2])


def _equivalents(
    h: tuple[int, int, int], rotations: NDArray[np.int64]
) -> set[tuple[int, int, int]]:
    moved = [np.array(h) @ g for g in rotations]
    return {tuple(int(x) for x in sign * v) for v in moved for sign in (1, -1)}  # type: ignore[misc]


def period_of(group: gemmi.SpaceGroup, h: tuple[int, int, int]) -> int:
    """Return the period of the present reflections among the multiples of h."""
    multiples = np.arange(1, _MULTIPLES + 1)[:, None] * np.array(h)
    absent = np.asarray(
        group.operations().systematic_absences(np.ascontiguousarray(multiples, dtype=np.int32))
    )
    return gcd(*[int(k) for k in np.arange(1, _MULTIPLES + 1)[~absent]])


def score_axis(
    axis: Axis, hkl: NDArray[np.int64], x: Floats, sigma: Floats, centric: Mask, error: float
) -> dict[int, AbsenceScore]:
    """Return the scores of the periods of an axis; all are equally probable before the data.

    hkl : (n, 3), unique reflections in the axes of the space groups. x, sigma : (n,) normalised.
    centric : (n,). error : of an absent one beside sigma.
    """
    multiple = np.zeros(len(hkl), dtype=np.int64)
    for direction in axis.equivalents:
        v = np.array(direction)
        k = hkl @ v // int(v @ v)
        on = np.all(hkl == k[:, None] * v, axis=1)
        multiple[on] = np.abs(k[on])
    rows = np.flatnonzero(multiple % axis.periods[0] == 0)
    rows = rows[multiple[rows] > 0]
    k, x, sigma = multiple[rows], x[rows], sigma[rows]
    present, absent = log_densities(x, sigma, centric[rows], error)
    logs = np.array([np.where(k % p == 0, present, absent).sum() for p in axis.periods])
    probability = np.exp(logs - logs.max())
    probability /= probability.sum()
    return {
        p: absence_score(axis.name(p), float(q), k % p == 0, x, sigma)
        for p, q in zip(axis.periods, probability, strict=True)
    }


def absence_score(
    name: str, probability: float, present: Mask, x: Floats, sigma: Floats
) -> AbsenceScore:
    """Return the score of an element; present : (n,), of x and sigma those that are not absent."""

    def mean(values: Floats) -> float | None:
        return float(values.mean()) if len(values) else None

    ratio = x / sigma
    return AbsenceScore(
        name=name, probability=probability,
        n_present=int(present.sum()), n_absent=int((~present).sum()),
        i_over_sigma_present=mean(ratio[present]), i_over_sigma_absent=mean(ratio[~present]),
        mean_present=mean(x[present]), mean_absent=mean(x[~present]),
    )  # fmt: skip


def find_space_group(
    laue: gemmi.SpaceGroup, hkl: NDArray[np.int64], x: Floats, sigma: Floats, error: float
) -> tuple[list[SpaceGroupScore], list[AbsenceScore]]:
    """Return the space groups of a Laue group by probability, and the scores of their screw axes.

    Groups of equal probability are in the order of fewer screw axes. Parameters as `score_axis`.
    """
    groups = candidates(laue)
    axes = axes_of(laue, groups)
    centric = is_centric(hkl.astype(np.int32), laue)
    scores = [score_axis(axis, hkl, x, sigma, centric, error) for axis in axes]
    alike: dict[tuple[int, ...], list[gemmi.SpaceGroup]] = {}
    for group in groups:
        conditions = tuple(period_of(group, a.direction) for a in axes)
        alike.setdefault(conditions, []).append(group)
    p = np.array([
        np.prod([s[c].probability for s, c in zip(scores, conditions, strict=True)])
        for conditions in alike
    ])  # fmt: skip
    p = p / p.sum()
    found = [
        SpaceGroupScore(groups=tuple(g), probability=float(q), conditions=conditions)
        for (conditions, g), q in zip(alike.items(), p, strict=True)
    ]
    found.sort(key=lambda s: (-round(s.probability, 6), s.conditions))
    return found, [s for of_axis in scores for p, s in of_axis.items() if p > 1]
