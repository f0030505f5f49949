"""Space groups with mirror and glide planes, by all their systematic absences.

Of a Laue group and centring every space group, chiral or not, has a set of absent reflections: on
axes by screw axes, in zones by glide planes. Sets that differ are given probabilities by the
densities of the normalised intensities, as in `absences`; space groups of one set, which differ by
mirror planes or a centre of symmetry only, are told apart by <|E^2 - 1|>, which is 0.74 without and
0.97 with a centre (Howells, Phillips & Rogers 1950, Acta Cryst. 3, 210).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.models.metric import rotations_of
from dxdask.models.symmetry import is_centric
from dxdask.symmetry.absences import AbsenceScore, SpaceGroupScore, absence_score
from dxdask.symmetry.densities import log_densities

CENTRIC = 0.85
"""<|E^2 - 1|> from which on a crystal has a centre of symmetry."""
FEWEST = 200
LARGEST_SIGMA = 0.3
"""Of normalised intensities that <|E^2 - 1|> is computed of."""
_GRID = np.array(list(product(range(-4, 13), repeat=3)), dtype=np.int32)
_FORMS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, -1, 0), (2, 0, 1),
          (0, 2, 1), (1, 0, 2))  # fmt: skip
_ZONES = {(1, 0, 0): "0kl", (0, 1, 0): "h0l", (0, 0, 1): "hk0", (1, -1, 0): "hhl",
          (1, 1, 0): "h-hl", (0, 1, -1): "hkk", (1, 0, -1): "hkh"}  # fmt: skip


def all_candidates(laue: gemmi.SpaceGroup) -> list[gemmi.SpaceGroup]:
    """Return the space groups of a Laue group and centring in these axes, chiral and others.

    Of several settings that differ by their origin the first of gemmi's table is returned.
    """
    own = laue.operations()
    wanted = _with_inversion(own)
    found: dict[tuple[int, bytes], gemmi.SpaceGroup] = {}
    for group in gemmi.spacegroup_table():
        if group.centring_type() != laue.centring_type():
            continue
        operations = group.operations()
        if _with_inversion(operations) == wanted and operations.has_same_centring(own):
            found.setdefault((group.number, _absent(group, _GRID).tobytes()), group)
    return list(found.values())


def _with_inversion(operations: gemmi.GroupOps) -> frozenset[tuple[int, ...]]:
    rotations = np.rint(rotations_of(operations)).astype(np.int64).reshape(-1, 9)
    return frozenset(tuple(r.tolist()) for r in np.concatenate([rotations, -rotations]))


def _absent(group: gemmi.SpaceGroup, hkl: NDArray[np.integer]) -> Mask:
    indices = np.ascontiguousarray(hkl, dtype=np.int32)
    return np.asarray(group.operations().systematic_absences(indices), dtype=np.bool_)


def find_any_space_group(
    laue: gemmi.SpaceGroup, hkl: NDArray[np.int64], x: Floats, sigma: Floats, error: float
) -> tuple[list[SpaceGroupScore], list[AbsenceScore]]:
    """Return all space groups of a Laue group by probability, and the scores of glide planes.

    Parameters as `absences.find_space_group`. Of groups with the same absences those with or
    without a centre of symmetry, as <|E^2 - 1|> says, come first, chiral ones before others.
    """
    alike: dict[bytes, list[gemmi.SpaceGroup]] = {}
    for group in all_candidates(laue):
        alike.setdefault(_absent(group, _GRID).tobytes(), []).append(group)
    sets = list(alike.values())
    masks = np.array([_absent(groups[0], hkl) for groups in sets])
    rows = np.flatnonzero(masks.any(axis=0))
    centre = has_centre(x, sigma)
    centric = is_centric(hkl[rows].astype(np.int32), laue) | bool(centre)
    present, absent = log_densities(x[rows], sigma[rows], centric, error)
    logs = np.where(masks[:, rows], absent, present).sum(axis=1)
    p = np.exp(logs - logs.max())
    p /= p.sum()
    sizes = [int(np.frombuffer(key, dtype=np.bool_).sum()) for key in alike]
    found = [
        SpaceGroupScore(groups=_ordered(groups, centre), probability=float(q), conditions=(size,))
        for groups, q, size in zip(sets, p, sizes, strict=True)
    ]
    found.sort(key=lambda s: (-round(s.probability, 6), s.conditions))
    firsts = [groups[0] for groups in sets]
    return found, _glide_scores(laue, firsts, hkl[rows], x[rows], sigma[rows], present, absent)


def has_centre(x: Floats, sigma: Floats) -> bool | None:
    """Return whether normalised intensities (n,) are those of a crystal with a centre of symmetry.

    None where there are too few that are known well.
    """
    known = x[sigma < LARGEST_SIGMA]
    if len(known) < FEWEST:
        return None
    return bool(np.abs(known / known.mean() - 1.0).mean() > CENTRIC)


def _ordered(groups: list[gemmi.SpaceGroup], centric: bool | None) -> tuple[gemmi.SpaceGroup, ...]:
    return tuple(
        sorted(
            groups,
            key=lambda g: (
                centric is not None and g.is_centrosymmetric() != centric,
                not g.is_sohncke(),
            ),
        )
    )


def _glide_scores(
    laue: gemmi.SpaceGroup, groups: Sequence[gemmi.SpaceGroup], hkl: NDArray[np.int64], x: Floats,
    sigma: Floats, present: Floats, absent: Floats,
) -> list[AbsenceScore]:  # fmt: skip
    """Return the scores of conditions on zones that these groups differ by."""
    rotations = np.rint(rotations_of(laue.operations())).astype(np.int64)
    scores: list[AbsenceScore] = []
    seen: set[tuple[int, ...]] = set()
    on_grid = _GRID[~_absent(laue, _GRID)]
    for w in (r for r in rotations if np.trace(r) == -1):
        zones = {tuple((g @ w @ np.rint(np.linalg.inv(g)).astype(np.int64)).ravel().tolist())
                 for g in rotations}  # fmt: skip
        if seen & zones:
            continue
        seen |= zones
        of_zones = [np.array(z).reshape(3, 3) for z in sorted(zones)]
        first = max(of_zones, key=lambda z: (_zone_name(z) in _ZONES.values(), _zone_name(z)))
        general = on_grid[_in_zone(on_grid, [first]) & ~_in_zones_twice(on_grid, rotations)]
        rows = _in_zone(hkl, of_zones) & ~_in_zones_twice(hkl, rotations)
        conditions: dict[bytes, gemmi.SpaceGroup] = {}
        for group in groups:
            conditions.setdefault(_absent(group, general).tobytes(), group)
        masks = np.array([_absent(group, hkl[rows]) for group in conditions.values()])
        if len(masks) < 2 or not rows.any():
            continue
        logs = np.where(masks, absent[rows], present[rows]).sum(axis=1)
        p = np.exp(logs - logs.max())
        for mask, q, group in zip(masks, p / p.sum(), conditions.values(), strict=True):
            if text := _condition(general, _absent(group, general)):
                name = f"{_zone_name(first)}: {text}"
                scores.append(absence_score(name, float(q), ~mask, x[rows], sigma[rows]))
    return scores


def _in_zone(hkl: NDArray[np.integer], zones: Sequence[NDArray[np.int64]]) -> Mask:
    """Return which indices (n, 3) lie on a mirror plane, h W = -h of its twofold axis W."""
    found = np.zeros(len(hkl), dtype=np.bool_)
    for w in zones:
        found |= np.all(hkl @ w == -hkl, axis=1)
    return found


def _in_zones_twice(hkl: NDArray[np.integer], rotations: NDArray[np.int64]) -> Mask:
    count = np.zeros(len(hkl), dtype=np.int64)
    for w in rotations:
        if np.trace(w) == -1:
            count += np.all(hkl @ w == -hkl, axis=1)
        if np.trace(w) != 3:
            count += 2 * np.all(hkl @ w == hkl, axis=1)
    return np.asarray(count > 1)


def _zone_name(w: NDArray[np.int64]) -> str:
    grid = _GRID[np.all(_GRID @ w == -_GRID, axis=1)]
    for normal, name in _ZONES.items():
        if not (grid @ np.array(normal)).any():
            return name
    return "zone of another twofold axis"


def _condition(hkl: NDArray[np.integer], absent: Mask) -> str:
    """Return the condition of presence, such as k + l = 2n; nothing where all are present."""
    if not absent.any():
        return ""
    for m, form in product((2, 3, 4, 6), _FORMS):
        if np.array_equal((hkl @ np.array(form)) % m != 0, absent):
            terms = [
                f"{'-' if c < 0 else '+'} {'' if abs(c) == 1 else abs(c)}{letter}"
                for c, letter in zip(form, "hkl", strict=True) if c
            ]  # fmt: skip
            return f"{' '.join(terms).removeprefix('+ ')} = {m}n"
    return "another condition"
