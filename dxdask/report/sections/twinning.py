"""Tests of twinning by merged intensities: L-test, H-test of each twin law, second moment."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.symmetry import asu_indices, pack
from dxdask.report.page.normalised import FEWEST, Normalised, normalised
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

_NEIGHBOURS = ((2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0), (2, 0, 2), (0, 2, 2))
"""Differences of indices of pairs in the L-test, kept by every centring (Padilla & Yeates 2003)."""
MAX_OBLIQUITY = 3.0
"""Of the symmetry of the lattice from that of the metric, degrees (Le Page 1982)."""


def make(tables: StepTables) -> Section | None:
    """Return the tests, with what is expected of an untwinned crystal and of a perfect twin."""
    found = tables.once(normalised)
    if found is None:
        return None
    z = found.z[found.acentric]
    rows = [
        {"statistic": "<Z²>, acentric", "n": len(z), "observed": float((z**2).mean()),
         "untwinned": 2.0, "perfect twin": 1.5},
    ]  # fmt: skip
    plots: list[Plot] = []
    twin = l_values(found)
    if len(twin) >= FEWEST:
        plots.append(_l_test(twin))
        rows += [
            {"statistic": "<|L|>", "n": len(twin), "observed": float(np.abs(twin).mean()),
             "untwinned": 0.5, "perfect twin": 0.375},
            {"statistic": "<L²>", "n": len(twin), "observed": float((twin**2).mean()),
             "untwinned": 1 / 3, "perfect twin": 0.2},
        ]  # fmt: skip
    lines = []
    for law in twin_laws(tables, found.group):
        h = h_values(found, law)
        if len(h) < FEWEST:
            continue
        fraction = max(0.5 - float(h.mean()), 0.0)
        plots.append(_h_test(h, law.as_hkl().triplet(), fraction))
        rows.append(
            {"statistic": f"<|H|> of {law.as_hkl().triplet()}", "n": len(h),
             "observed": float(h.mean()), "untwinned": 0.5, "perfect twin": 0.0}
        )  # fmt: skip
    if len(rows) == 1 or not any(str(r["statistic"]).startswith("<|H|>") for r in rows):
        lines.append("no H-test: the lattice has no twin law by merohedry, or too few pairs")
    return Section(
        lines=lines, plots=plots, tables=[Table(name="moments", title="Twinning", rows=rows)]
    )


def twin_laws(tables: StepTables, group: gemmi.SpaceGroup) -> list[gemmi.Op]:
    """Return the operators of the lattice, one of each coset, that the crystal has not."""
    crystals = [e.crystal for e in tables.experiments("merge") if e.crystal is not None]
    cells = np.array([c.unit_cell for c in crystals])
    if not len(cells):
        return []
    cell = gemmi.UnitCell(*np.median(cells, axis=0))
    return list(gemmi.find_twin_laws(cell, group, MAX_OBLIQUITY, False))


def l_values(found: Normalised) -> Floats:
    """Return L = (I1 - I2) / (I1 + I2) of acentric reflections near to each other."""
    hkl, z = found.hkl[found.acentric], found.z[found.acentric]
    pairs = [
        _differences(hkl, z, hkl + np.array(step), found.group, least=0.2) for step in _NEIGHBOURS
    ]
    return np.concatenate(pairs)


def h_values(found: Normalised, law: gemmi.Op) -> Floats:
    """Return |H| = |I1 - I2| / (I1 + I2) of acentric reflections that a twin law relates."""
    hkl, z = found.hkl[found.acentric], found.z[found.acentric]
    rotation = np.array(law.rot) // gemmi.Op.DEN
    return np.abs(_differences(hkl, z, hkl @ rotation, found.group, least=0.2))


def _differences(
    hkl: np.ndarray, z: Floats, others: np.ndarray, group: gemmi.SpaceGroup, least: float
) -> Floats:
    """Return (I1 - I2) / (I1 + I2) of reflections and others that are not their equivalents.

    least : of I1 + I2, in means; weaker pairs have more noise than signal.
    """
    packed = pack(asu_indices(hkl, group)[0])
    order = np.argsort(packed)
    other = pack(asu_indices(others.astype(np.int32), group)[0])
    place = np.minimum(np.searchsorted(packed, other, sorter=order), len(order) - 1)
    same = (packed[order[place]] == other) & (other != packed)
    a, b = z[same], z[order[place[same]]]
    good = a + b > least
    return np.asarray(np.clip((a - b)[good] / (a + b)[good], -1, 1))


def _l_test(values: Floats) -> Lines:
    at = np.linspace(0, 1, 51)
    part = np.searchsorted(np.sort(np.abs(values)), at, side="right") / len(values)
    return Lines(
        title="L-test (Padilla & Yeates 2003)", x="|L|", y="N(|L|)",
        series=[Series("acentric", at, part), Series("untwinned", at, at, "dashed"),
                Series("perfect twin", at, at * (3 - at**2) / 2, "dashed")],
    )  # fmt: skip


def _h_test(values: Floats, law: str, fraction: float) -> Lines:
    """Return the distribution of H, which ends at 1 - 2 times the twin fraction."""
    at = np.linspace(0, 1, 51)
    part = np.searchsorted(np.sort(values), at, side="right") / len(values)
    return Lines(
        title=f"H-test of {law} (Yeates 1988)", x="|H|", y="N(|H|)",
        series=[Series("acentric", at, part)]
        + [
            Series(f"twin fraction {a:g}", at, np.minimum(at / (1 - 2 * a), 1.0), "dashed")
            for a in (0.0, 0.1, 0.2, 0.3)
        ],
        note=f"twin fraction of the mean: {fraction:.2f}",
    )  # fmt: skip


SECTION = SectionMaker(name="twinning", title="Twinning", order=15.5, make=make, needs=("merge",))
