"""Statistics of twinning and pseudo-translation.

L test of neighbouring reflections (Padilla & Yeates 2003, Acta Cryst. D59, 1124), second moment of
acentric intensities (Wilson 1949), H test of pairs that a twin law relates (Yeates 1988, Acta
Cryst. A44, 142), and the highest peak of the Patterson function off the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.symmetry import is_centric
from dxdask.symmetry.correlations import Merged, merge_p1
from dxdask.symmetry.intensities import Intensities, spacings_of
from dxdask.symmetry.lattice_group import LaueGroup
from dxdask.symmetry.operators import (
    Rotation,
    elements,
    friedel_unique,
    keys_of,
    operator_text,
    unique_under,
)
from dxdask.symmetry.parameters import TwinningParameters
from dxdask.tables import Table

FEWEST = 100
TWINNED_L = 0.44
"""<|L|> is 1/2 without twinning and 3/8 of perfect twins: nearer to the latter below this."""
LESS_H = 0.02
"""<|H|> of a twin law is less than <|L|> by this, or by three standard errors: where <|L|> is
`TWINNED_L` a tenth of the crystal is twinned, and <|H|> is 0.40."""
SPREAD_H = 0.29
"""Standard deviation of |H| of untwinned reflections."""
ORIGIN_RADIUS = 15.0
"""Distance, Angstrom, from the origin of the Patterson function within which peaks are not used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TwinningStatistics:
    """Values of the tests, None where there are too few reflections.

    Attributes
    ----------
    n : acentric reflections. mean_l, mean_l2 : <|L|>, <L^2>. second_moment : <I^2>/<I>^2.
    laws : twin laws with pairs, mean H and twin fraction. patterson : height (% of the origin) of
        the highest peak. vector : its fractional coordinates.
    """

    n: int
    mean_l: float | None
    mean_l2: float | None
    second_moment: float | None
    laws: Sequence[tuple[str, int, float, float]]
    patterson: float | None
    vector: tuple[float, ...]


def twinning_statistics(
    data: Intensities,
    reduced: Floats,
    laue: LaueGroup,
    lattice: frozenset[Rotation],
    parameters: TwinningParameters,
) -> TwinningStatistics:
    """Return the statistics of normalised intensities in the reduced cell, merged in a group."""
    merged = _merged(data, laue.rotations)
    d = spacings_of(merged.hkl, reduced)
    strong = _strong(merged, d, parameters.min_i_over_sigma)
    centric = is_centric(np.rint(merged.hkl @ laue.change).astype(np.int32), laue.group)
    acentric = strong & ~centric
    x, sigma = merged.intensity[acentric], merged.sigma[acentric]
    enough = len(x) >= FEWEST
    l_values = _l_values(laue.rotations, merged, acentric)
    known = len(l_values) >= FEWEST
    height, vector = _patterson(merged, strong, reduced, laue)
    return TwinningStatistics(
        n=len(x),
        mean_l=float(np.abs(l_values).mean()) if known else None,
        mean_l2=float((l_values**2).mean()) if known else None,
        second_moment=float((x**2 - sigma**2).mean() / x.mean() ** 2) if enough else None,
        laws=_laws(merged, acentric, laue, lattice),
        patterson=height,
        vector=vector,
    )


def _merged(data: Intensities, group: frozenset[Rotation]) -> Merged:
    """Return one row of each unique reflection of a Laue group."""
    p1 = merge_p1(data, by_crystal=False)
    keys, first, row = np.unique(
        unique_under(p1.hkl, group), return_index=True, return_inverse=True
    )
    weight = 1.0 / p1.sigma**2
    total = np.bincount(row, weight, len(keys))
    return Merged(
        keys=keys, hkl=p1.hkl[first], crystal=np.zeros(len(keys), np.int64),
        intensity=np.bincount(row, weight * p1.intensity, len(keys)) / total,
        sigma=np.sqrt(1.0 / total),
    )  # fmt: skip


def _strong(merged: Merged, d: Floats, least: float) -> NDArray[np.bool_]:
    kept = np.zeros(len(d), dtype=np.bool_)
    for shell in np.array_split(np.argsort(-d, kind="stable"), max(len(d) // FEWEST, 1)):
        if merged.intensity[shell].mean() >= least * merged.sigma[shell].mean():
            kept[shell] = True
    return kept


def _l_values(group: frozenset[Rotation], merged: Merged, used: NDArray[np.bool_]) -> Floats:
    """Return L = (I1 - I2) / (I1 + I2) of reflections that differ by 2 in some indices."""
    every = [
        np.array(step) for step in np.ndindex(5, 5, 5)
        if np.all(np.array(step) % 2 == 0) and tuple(step) != (2, 2, 2)
    ]  # fmt: skip
    found = []
    hkl, x = merged.hkl[used], merged.intensity[used]
    for step in every[:13]:
        other = unique_under(hkl + (step - 2), group)
        at = np.searchsorted(merged.keys, other).clip(max=len(merged.keys) - 1)
        good = (merged.keys[at] == other) & used[at] & (merged.keys[used] != other)
        first, second = x[good], merged.intensity[at[good]]
        total = first + second
        good = total > 0
        found.append(np.clip((first - second)[good] / total[good], -1.0, 1.0))
    return np.concatenate(found) if found else np.zeros(0)


def _laws(
    merged: Merged, used: NDArray[np.bool_], laue: LaueGroup, lattice: frozenset[Rotation]
) -> list[tuple[str, int, float, float]]:
    """Return name, pairs, <|H|> and twin fraction (1 - 2 <|H|>) / 2 of each twin law."""
    found = []
    keys = merged.keys
    seen: set[bytes] = set()
    for w in elements(lattice - laue.rotations):
        moved = unique_under(merged.hkl @ np.array(w).reshape(3, 3), laue.rotations)
        if moved.tobytes() in seen:
            continue
        seen.add(moved.tobytes())
        at = np.searchsorted(keys, moved).clip(max=len(keys) - 1)
        good = (keys[at] == moved) & used & used[at] & (moved > keys)
        first, second = merged.intensity[good], merged.intensity[at[good]]
        total = first + second
        good = total > 0
        if good.sum() < FEWEST:
            continue
        h = np.minimum(np.abs(first - second)[good] / total[good], 1.0)
        mean = float(h.mean())
        found.append((operator_text(w, laue.change), len(h), mean, max(0.5 - mean, 0.0)))
    return found


def _patterson(
    merged: Merged, used: NDArray[np.bool_], reduced: Floats, laue: LaueGroup
) -> tuple[float | None, tuple[float, ...]]:
    """Return height (% of the origin) and place of the highest Patterson peak off the origin."""
    rows = np.flatnonzero(used)
    if len(rows) < FEWEST:
        return None, ()
    hkl, value = _expanded(merged.hkl[rows], merged.intensity[rows], laue.rotations)
    size = [int(n) for n in 4 * (np.abs(hkl).max(axis=0) // 2 + 1)]
    grid = np.zeros(size)
    np.add.at(grid, tuple((hkl % size).T), value)
    density = np.fft.fftn(grid).real
    axes = np.linalg.inv(reduced)
    place = np.stack(np.meshgrid(*[np.arange(n) / n for n in size], indexing="ij"), -1)
    near = place - np.rint(place)
    shortest = min(float(np.linalg.norm(a)) for a in axes)
    away = np.linalg.norm(near @ axes, axis=-1) > min(ORIGIN_RADIUS, 0.3 * shortest)
    best = np.unravel_index(int(np.argmax(np.where(away, density, -np.inf))), density.shape)
    vector = near[best] @ np.linalg.inv(laue.change).T
    height = 100.0 * float(density[best] / density[0, 0, 0])
    return height, tuple(round(float(v), 3) + 0.0 for v in vector)


def _expanded(
    hkl: NDArray[np.int64], value: Floats, group: frozenset[Rotation]
) -> tuple[NDArray[np.int64], Floats]:
    every = np.concatenate([hkl @ np.array(w).reshape(3, 3) for w in sorted(group)])
    values = np.tile(value, len(group))
    _, first = np.unique(keys_of(friedel_unique(every)), return_index=True)
    every, values = every[first], values[first]
    return np.concatenate([every, -every]), np.concatenate([values, values])


def verdict(found: TwinningStatistics, threshold: float) -> list[str]:
    """Return what the statistics say, in words; threshold : of the Patterson peak, %."""
    lines = []
    translated = found.patterson is not None and found.patterson > threshold
    if translated:
        vector = ", ".join(f"{v:.3f}" for v in found.vector)
        lines.append(
            f"pseudo-translation by ({vector}): a Patterson peak of {found.patterson:.0f} % of the "
            "origin; the second moment is raised by it"
        )
    if found.mean_l is None:
        lines.append("too few strong acentric reflections for the tests of twinning")
        return lines
    text = f"<|L|> {found.mean_l:.3f} (0.500 untwinned, 0.375 perfect twin)"
    if found.second_moment is not None:
        text += f", <I^2>/<I>^2 {found.second_moment:.2f} (2.0, 1.5)"
    twinned = found.mean_l < TWINNED_L
    if not twinned:
        lines.append(f"no sign of twinning: {text}")
        return lines
    # H of reflections that no law relates is distributed as L, also of a twin
    laws = [
        law for law in found.laws
        if found.mean_l - law[2] > max(LESS_H, 3.0 * SPREAD_H / np.sqrt(law[1]))
    ]  # fmt: skip
    if laws:
        name, _, _, fraction = max(laws, key=lambda law: law[3])
        lines.append(f"twinned by {name}, fraction about {fraction:.2f} by the H test: {text}")
    else:
        lines.append(
            f"intensities are distributed as of a twin, {text}, but no operator of the lattice "
            "outside the Laue group relates them: a perfect twin may pass for higher symmetry; try "
            "a lower Laue group"
        )
    return lines


def twinning_table(found: TwinningStatistics) -> Table:
    """Return the statistics as a table: test, value, untwinned and perfect twin."""
    rows: list[dict[str, Any]] = [
        {"test": "<|L|>", "value": found.mean_l, "untwinned": 0.5, "perfect_twin": 0.375},
        {"test": "<L^2>", "value": found.mean_l2, "untwinned": 1 / 3, "perfect_twin": 0.2},
        {"test": "<I^2>/<I>^2", "value": found.second_moment, "untwinned": 2.0,
         "perfect_twin": 1.5},
        *[{"test": f"<|H|> {name}", "value": mean, "untwinned": 0.5, "perfect_twin": 0.0}
          for name, _, mean, _ in found.laws],
        {"test": "Patterson peak (%)", "value": found.patterson, "untwinned": None,
         "perfect_twin": None},
    ]  # fmt: skip
    headings = {"test": ("Test", ""), "value": ("Value", ".3f"),
                "untwinned": ("Untwinned", ".3f"),
                "perfect_twin": ("Perfect twin", ".3f")}  # fmt: skip
    title = "Twinning and pseudo-translation"
    return Table(name="twinning", title=title, rows=rows, headings=headings)
