"""Tables of symmetry determination, as users of pointless and dials.symmetry know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dxdask.arrays import Floats
from dxdask.indexing.setting import axes_text
from dxdask.reindex.operators import indices_text
from dxdask.symmetry.absences import AbsenceScore, SpaceGroupScore
from dxdask.symmetry.lattice_group import LaueGroup
from dxdask.symmetry.laue_group import LaueResult
from dxdask.symmetry.likelihood import ElementScore
from dxdask.symmetry.operators import operator_text, order_of
from dxdask.tables import Table

_LEVELS = (0.9, 0.7, 0.5)


def _stars(likelihood: float) -> str:
    return "*" * sum(likelihood > level for level in _LEVELS)


def operators_table(found: LaueResult) -> Table:
    """Return the scores of the symmetry elements, in the axes of the most likely group."""
    rows = [_element_row(s, found.best) for s in found.elements]
    headings = {"likelihood": ("likelihood", ".3f"), "z_cc": ("Z-CC", ".2f"), "cc": ("CC", ".2f"),
                "n": ("N", ""), "stars": ("", ""), "order": ("Order", ""),
                "operator": ("Operator", ""), "present": ("Present", "")}  # fmt: skip
    title = "Symmetry elements of the lattice by the correlation of equivalents"
    return Table(name="operators", title=title, rows=rows, headings=headings)


def _element_row(score: ElementScore, best: LaueGroup) -> dict[str, Any]:
    return {
        "likelihood": score.likelihood, "z_cc": score.z, "cc": score.cc, "n": score.n,
        "stars": _stars(score.likelihood), "order": order_of(score.rotation),
        "operator": operator_text(score.rotation, best.change),
        "present": "yes" if score.rotation in best.rotations else "no",
    }  # fmt: skip


def laue_groups_table(found: LaueResult) -> Table:
    """Return the scores of the Laue groups, most likely first."""
    rows = [
        {
            "laue_group": group.group.laue_str(), "group": group.group.xhm(),
            "stars": _stars(score.likelihood),
            "likelihood": score.likelihood, "confidence": score.confidence,
            "net_z_cc": score.z_for - score.z_against,
            "z_cc_for": score.z_for, "z_cc_against": score.z_against,
            "cc_for": score.cc_for, "cc_against": score.cc_against,
            "delta": group.delta, "change_of_basis_op": axes_text(group.change),
        }
        for group, score in zip(found.groups, found.scores, strict=True)
    ]  # fmt: skip
    headings = {"laue_group": ("Laue group", ""), "group": ("Group", ""), "stars": ("", ""),
                "likelihood": ("Likelihood", ".3f"), "confidence": ("Conf.", ".3f"),
                "net_z_cc": ("NetZcc", ".2f"), "z_cc_for": ("Zcc+", ".2f"),
                "z_cc_against": ("Zcc-", ".2f"), "cc_for": ("CC", ".2f"),
                "cc_against": ("CC-", ".2f"), "delta": ("delta", ".1f"),
                "change_of_basis_op": ("Axes from reduced", "")}  # fmt: skip
    return Table(
        name="laue_groups", title="Laue groups by likelihood", rows=rows, headings=headings
    )


def absences_table(scores: Sequence[AbsenceScore]) -> Table:
    """Return the possible screw axes and glide planes with their reflections."""
    rows = [
        {
            "screw_axis": s.name, "probability": s.probability,
            "n_present": s.n_present, "n_absent": s.n_absent,
            "mean_present": s.mean_present, "mean_absent": s.mean_absent,
            "i_over_sigma_present": s.i_over_sigma_present,
            "i_over_sigma_absent": s.i_over_sigma_absent,
        }
        for s in scores
    ]  # fmt: skip
    headings = {"screw_axis": ("Element", ""), "probability": ("Probability", ".3f"),
                "n_present": ("No. present", ""), "n_absent": ("No. absent", ""),
                "mean_present": ("<I> present", ".3f"), "mean_absent": ("<I> absent", ".3f"),
                "i_over_sigma_present": ("<I/sig> present", ".2f"),
                "i_over_sigma_absent": ("<I/sig> absent", ".2f")}  # fmt: skip
    title = "Screw axes and glide planes by systematic absences (normalised intensities)"
    return Table(name="systematic_absences", title=title, rows=rows, headings=headings)


def space_groups_table(scores: Sequence[SpaceGroupScore]) -> Table:
    """Return the space groups by probability, those that intensities cannot tell apart together."""
    rows = [
        {"space_groups": " or ".join(g.xhm() for g in s.groups), "probability": s.probability}
        for s in scores
    ]
    headings = {"space_groups": ("Space group", ""), "probability": ("Probability", ".4f")}
    return Table(
        name="space_groups", title="Space groups by probability", rows=rows, headings=headings
    )


def reindexed_table(
    runs: Sequence[str], changes: Sequence[Floats], cells: Sequence[tuple[float, ...]], group: str
) -> Table:
    """Return the change of basis of each crystal and its cell in the new axes."""
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    rows = [
        {
            "run": run, "change_of_basis_op": axes_text(change), "hkl": indices_text(change),
            "space_group": group, **dict(zip(names, cell, strict=True)),
        }
        for run, change, cell in zip(runs, changes, cells, strict=True)
    ]  # fmt: skip
    headings = {"change_of_basis_op": ("Operator", ""), "hkl": ("Indices", ""),
                **{k: (k, ".3f") for k in names}}  # fmt: skip
    return Table(
        name="reindexed", title="Crystals in the new axes", rows=rows, headings=headings,
        printed=len(rows) <= 20,
    )  # fmt: skip
