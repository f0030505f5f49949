"""Statistics of merged intensities: Wilson plot, cumulative, moments, L-test."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.models.symmetry import asu_indices, epsilon, is_absent, is_centric, pack
from dxdask.report.page.curves import shells
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

N_SHELLS = 20
FEWEST = 200
_NEIGHBOURS = ((2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0), (2, 0, 2), (0, 2, 2))
"""Differences of indices of pairs in the L-test, kept by every centring (Padilla & Yeates 2003)."""


def make(tables: StepTables) -> Section | None:
    """Return the statistics of the merged intensities, those of the expectation dashed."""
    names = ["hkl", "d", "intensity"]
    group = _group(tables)
    if tables.present("merge", names) != names or group is None:
        return None
    table = tables.columns("merge", names)
    hkl, value, s2 = table["hkl"], table["intensity"], table["d"] ** -2.0
    good = np.isfinite(value) & ~is_absent(hkl, group)
    hkl, value, s2 = hkl[good], value[good], s2[good]
    if len(hkl) < FEWEST:
        return Section(lines=[f"{len(hkl)} reflections are too few for statistics"])
    value = value / epsilon(hkl, group)
    edges = np.quantile(s2, np.linspace(0, 1, N_SHELLS + 1))
    shell = np.clip(np.searchsorted(edges, s2, side="right") - 1, 0, N_SHELLS - 1)
    n = np.bincount(shell, minlength=N_SHELLS)
    middle = np.bincount(shell, s2, N_SHELLS) / n
    mean = np.bincount(shell, value, N_SHELLS) / n
    # interpolated, so that E does not step at the borders of shells
    positive = mean > 0
    expected = np.exp(np.interp(s2, middle[positive], np.log(mean[positive])))
    z, centric = value / expected, is_centric(hkl, group)
    plots: list[Plot] = [
        *shells("Wilson plot", "ln <I>", _wilson(middle[positive], mean[positive]))
    ]
    plots += [_cumulative(z, centric)]
    moment = np.bincount(shell[~centric], z[~centric] ** 2, N_SHELLS) / np.maximum(
        np.bincount(shell[~centric], minlength=N_SHELLS), 1
    )
    flat = np.full(N_SHELLS, 2.0)
    plots += shells(
        "Second moment of acentric intensities", "<Z²>",
        [Series("observed", middle, moment), Series("untwinned", middle, flat, "dashed"),
         Series("perfect twin", middle, flat * 0.75, "dashed")],
    )  # fmt: skip
    twin = _l_values(hkl[~centric], z[~centric], group)
    rows = [
        {"statistic": "<Z²>, acentric", "observed": float((z[~centric] ** 2).mean()),
         "untwinned": 2.0, "perfect twin": 1.5},
    ]  # fmt: skip
    if len(twin) >= FEWEST:
        plots.append(_l_test(twin))
        rows += [
            {"statistic": "<|L|>", "observed": float(np.abs(twin).mean()),
             "untwinned": 0.5, "perfect twin": 0.375},
            {"statistic": "<L²>", "observed": float((twin**2).mean()),
             "untwinned": 1 / 3, "perfect twin": 0.2},
        ]  # fmt: skip
    return Section(plots=plots, tables=[Table(name="moments", title="Moments", rows=rows)])


def _group(tables: StepTables) -> gemmi.SpaceGroup | None:
    names = [e.crystal.space_group for e in tables.experiments("merge") if e.crystal is not None]
    names += [str(row.get("space_group")) for row in tables.rows("index", "cell")]
    name = next((n for n in names if n), None)
    return None if name is None else gemmi.SpaceGroup(name)


def _wilson(s2: Floats, mean: Floats) -> list[Series]:
    y = np.log(mean)
    curves = [Series("observed", s2, y)]
    # below 4 A solvent and shape count (Wilson 1942; French & Wilson 1978)
    high = s2 > 1 / 16.0
    if high.sum() > 3:
        slope, start = np.polyfit(s2[high], y[high], 1)
        curves.append(Series(f"line of B = {-2 * slope:.1f} Å²", s2, start + slope * s2, "dashed"))
    return curves


def _cumulative(z: Floats, centric: Mask) -> Lines:
    from scipy.special import erf

    at = np.linspace(0, 2, 81)
    curves = []
    for name, rows, theory in (
        ("acentric", ~centric, 1 - np.exp(-at)),
        ("centric", centric, erf(np.sqrt(at / 2))),
    ):
        if rows.sum() >= FEWEST:
            part = np.searchsorted(np.sort(z[rows]), at, side="right") / rows.sum()
            curves += [Series(name, at, part), Series(f"{name}, expected", at, theory, "dashed")]
    return Lines(title="Cumulative intensities", x="Z = I / <I>", y="N(Z)", series=curves)


def _l_values(hkl: np.ndarray, z: Floats, group: gemmi.SpaceGroup) -> Floats:
    """Return L = (I1 - I2) / (I1 + I2) of pairs of reflections near to each other."""
    key, _ = asu_indices(hkl, group)
    packed = pack(key)
    order = np.argsort(packed)
    found = []
    for step in _NEIGHBOURS:
        other = pack(asu_indices((hkl + np.array(step)).astype(np.int32), group)[0])
        place = np.minimum(np.searchsorted(packed, other, sorter=order), len(order) - 1)
        same = packed[order[place]] == other
        a, b = z[same], z[order[place[same]]]
        total = a + b
        good = total > 0.2
        found.append(np.clip((a - b)[good] / total[good], -1, 1))
    return np.concatenate(found)


def _l_test(values: Floats) -> Lines:
    at = np.linspace(0, 1, 51)
    part = np.searchsorted(np.sort(np.abs(values)), at, side="right") / len(values)
    return Lines(
        title="L-test (Padilla & Yeates 2003)", x="|L|", y="N(|L|)",
        series=[Series("acentric", at, part), Series("untwinned", at, at, "dashed"),
                Series("perfect twin", at, at * (3 - at**2) / 2, "dashed")],
    )  # fmt: skip


SECTION = SectionMaker(
    name="statistics", title="Intensity statistics", order=15, make=make, needs=("merge",)
)
