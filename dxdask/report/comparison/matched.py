"""Intensities of the same reflections on two sides, with slope and correlation."""

from __future__ import annotations

from typing import Any, NamedTuple

import gemmi
import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, has_flag
from dxdask.models.symmetry import asu_indices, pack
from dxdask.report.comparison.sides import Side
from dxdask.tables import Table

N_SHELLS = 10
LOW = 0.5
"""A correlation below which the settings of the two sides may differ."""
_BAD = Flag.OVERLOADED | Flag.OVERLAPPED_FG | Flag.FOREGROUND_INCLUDES_BAD_PIXELS


class Intensities(NamedTuple):
    """Intensities (n,) of unique reflections: packed hkl, ascending, d (A), and what they are."""

    key: Integers
    value: Floats
    d: Floats
    what: str


class Matched(NamedTuple):
    """Reflections (n,) that both sides have: their intensities and d. what : of A and of B."""

    a: Floats
    b: Floats
    d: Floats
    what: tuple[str, str]


def matched(a: Side, b: Side) -> Matched | None:
    """Return the reflections that both sides have; None where a side has none.

    They are merged ones, or, where runs are compared or a side has no merged ones, the means of
    integrated ones. Equivalents are those of the symmetry of A.
    """
    group = _group(a) or _group(b)
    if group is None:
        return None
    steps = ["merge", "integrate"] if a.run is None and b.run is None else ["integrate"]
    for step in steps:
        pair = [_intensities(side, step, group) for side in (a, b)]
        if pair[0] is None or pair[1] is None:
            continue
        one, other = pair[0], pair[1]
        _, i, j = np.intersect1d(one.key, other.key, assume_unique=True, return_indices=True)
        return Matched(one.value[i], other.value[j], one.d[i], (one.what, other.what))
    return None


def _group(side: Side) -> gemmi.SpaceGroup | None:
    for step in ("merge", "refine", "index", "integrate"):
        if step not in side.tables:
            continue
        names = [e.crystal.space_group for e in side.tables.experiments(step) if e.crystal]
        names += [
            str(r["space_group"]) for r in side.tables.rows(step, "cell") if "space_group" in r
        ]
        if name := next((n for n in names if n), None):
            return gemmi.SpaceGroup(name)
    return None


def _intensities(side: Side, step: str, group: gemmi.SpaceGroup) -> Intensities | None:
    if step == "merge":
        if side.tables.present(step, ["hkl", "intensity", "d"]) != ["hkl", "intensity", "d"]:
            return None
        table, name = side.tables.columns(step, ["hkl", "intensity", "d"]), "intensity"
        good, what = np.isfinite(table["intensity"]), "merged"
    else:
        found = side.tables.present(step, ["intensity_prf", "intensity_sum"])
        if not found or not side.tables.present(step, ["hkl", "d", "flags"]):
            return None
        name = found[0]
        table = side.tables.columns(step, ["hkl", "d", "flags", "experiment", name])
        bit = Flag.INTEGRATED_PRF if name == "intensity_prf" else Flag.INTEGRATED_SUM
        good = has_flag(table, bit) & ~has_flag(table, _BAD) & np.isfinite(table[name])
        what = "integrated, fitted" if name == "intensity_prf" else "integrated, summed"
        if side.run is not None:
            runs = np.array([e.run for e in side.tables.experiments(step)], dtype=np.str_)
            good &= runs[table["experiment"]] == side.run
    if not good.any():
        return None
    packed = pack(asu_indices(table["hkl"][good], group)[0])
    key, first, inverse, n = np.unique(
        packed, return_index=True, return_inverse=True, return_counts=True
    )
    return Intensities(
        key, np.bincount(inverse, table[name][good]) / n, table["d"][good][first], what
    )


def figures(a: Floats, b: Floats) -> dict[str, Any]:
    """Return number, slope of b = slope a, median ratio, correlation, and that of logarithms."""
    enough = len(a) > 2
    positive = (a > 0) & (b > 0)
    return {
        "n": len(a),
        "slope": float((a * b).sum() / (a * a).sum()) if enough else None,
        "median ratio": float(np.median(b[positive] / a[positive])) if positive.sum() > 2 else None,
        "correlation": _correlation(a, b),
        "of logarithms": _correlation(np.log(a[positive]), np.log(b[positive])),
    }


def _correlation(a: Floats, b: Floats) -> float | None:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def matched_tables(found: Matched) -> tuple[list[str], list[Table]]:
    """Return lines and tables on matched intensities, of all and by shell."""
    every = figures(found.a, found.b)
    lines = [f"{every['n']} reflections on both sides ({' and '.join(dict.fromkeys(found.what))})"]
    if every["correlation"] is not None and every["correlation"] < LOW:
        lines.append(
            f"their correlation is {every['correlation']:.3f}: the indices may be of different "
            "settings; give one of them those of the other with dxdask reindex"
        )
    headings = {k: (k.replace(" ", "\n"), ".5g") for k in every if k != "n"}
    whole = Table(name="matched", title="Matched intensities", rows=[every], headings=headings)
    if every["n"] < 10 * N_SHELLS:
        return lines, [whole]
    edges = np.quantile(found.d**-2.0, np.linspace(0, 1, N_SHELLS + 1))
    shell = np.clip(np.searchsorted(edges, found.d**-2.0, side="right") - 1, 0, N_SHELLS - 1)
    rows = [
        {
            "d_max": float(edges[k] ** -0.5),
            "d_min": float(edges[k + 1] ** -0.5),
            **figures(found.a[shell == k], found.b[shell == k]),
        }
        for k in range(N_SHELLS)
    ]
    headings |= {"d_max": ("d_max", ".2f"), "d_min": ("d_min", ".2f")}
    title = "Matched intensities by shell"
    return lines, [whole, Table(name="matched_shells", title=title, rows=rows, headings=headings)]
