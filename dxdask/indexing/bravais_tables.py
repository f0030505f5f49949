"""Tables and the message of the Bravais settings of a lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dxdask.arrays import Floats
from dxdask.indexing.known_symmetry import cell_text
from dxdask.indexing.lattice_symmetry import Setting
from dxdask.indexing.recommendation import Evidence, contradicted, is_acceptable, recommended
from dxdask.indexing.setting import axes_text
from dxdask.models import Crystal, ExperimentList
from dxdask.tables import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """A setting after refinement.

    Attributes
    ----------
    changes : basis change (3, 3) of each crystal from the one given. crystals : refined.
    rmsd : mm, and n_spots, of all; of_crystals : of each.
    min_cc, max_cc : correlation of intensities under the rotations.
    """

    setting: Setting
    changes: tuple[Floats, ...]
    crystals: tuple[Crystal, ...]
    rmsd: float | None
    n_spots: int
    of_crystals: tuple[tuple[float | None, int], ...]
    min_cc: float | None
    max_cc: float | None

    @property
    def evidence(self) -> Evidence:
        """What a recommendation takes."""
        return Evidence(
            metric_fit=self.setting.delta, rmsd=self.rmsd, min_cc=self.min_cc, max_cc=self.max_cc,
            rotations=self.setting.rotations,
        )  # fmt: skip


def bravais_table(solutions: list[Solution]) -> Table:
    """Return the settings as DIALS lists them."""
    evidence = [s.evidence for s in solutions]
    rmsd_p1 = solutions[-1].rmsd or 0.0
    acceptable = [
        is_acceptable(metric_fit=e.metric_fit, rmsd=e.rmsd, min_cc=e.min_cc, rmsd_p1=rmsd_p1)
        for e in evidence
    ]
    best = recommended(evidence, acceptable)
    rows = []
    for i, (s, good) in enumerate(zip(solutions, acceptable, strict=True)):
        crystal = s.crystals[0]
        rows.append({
            "mark": "**" if i == best else "*" * good, "solution": len(solutions) - i,
            "acceptable": good, "recommended": i == best, "metric_fit": s.setting.delta,
            "rmsd": s.rmsd, "min_cc": s.min_cc, "max_cc": s.max_cc, "n_spots": s.n_spots,
            "lattice": s.setting.lattice, "unit_cell": cell_text(crystal.a),
            "volume": float(crystal.gemmi_cell.volume), "cb_op": axes_text(s.changes[0]),
            "space_group": s.setting.space_group,
        })  # fmt: skip
    headings = {
        "mark": ("", ""),
        "solution": ("Solution", ""),
        "acceptable": ("Acceptable", ""),
        "recommended": ("Recommended", ""),
        "metric_fit": ("Metric fit", ".4f"),
        "rmsd": ("rmsd", ".3f"),
        "min_cc": ("min cc", ".3f"),
        "max_cc": ("max cc", ".3f"),
        "n_spots": ("#spots", ""),
        "volume": ("volume", ".0f"),
    }
    title = "Settings that the lattice allows (* acceptable, ** recommended; rmsd in mm)"
    return Table(name="bravais", title=title, rows=rows, headings=headings)


def crystals_table(solutions: list[Solution], experiments: ExperimentList) -> Table:
    """Return the change of basis and the fit of each crystal in each setting."""
    runs = [
        ", ".join(dict.fromkeys(m.run for m in experiments.members if m.crystal == i))
        for i in range(len(experiments.crystals))
    ]
    rows = [
        {
            "solution": len(solutions) - k, "run": run, "cb_op": axes_text(s.changes[i]),
            "unit_cell": cell_text(s.crystals[i].a), "rmsd": s.of_crystals[i][0],
            "n_spots": s.of_crystals[i][1],
        }
        for k, s in enumerate(solutions)
        for i, run in enumerate(runs)
    ]  # fmt: skip
    headings = {"solution": ("Solution", ""), "rmsd": ("rmsd", ".3f"), "n_spots": ("#spots", "")}
    title = "Crystals in each setting (rmsd in mm)"
    return Table(name="bravais_crystals", title=title, rows=rows, headings=headings, printed=False)


def recommendation(table: Table) -> str:
    """Return the message that names the setting to take, and what speaks against higher ones."""
    chosen = next((r for r in table.rows if r["recommended"]), None)
    n = sum(bool(r["acceptable"]) for r in table.rows)
    start = f"{n} of {len(table.rows)} settings fit as well as the triclinic one"
    if chosen is None:
        return f"{start}; none is recommended"
    line = f"{start}; recommended is {chosen['solution']} ({chosen['lattice']}, "
    line += f"{chosen['space_group']}), the highest symmetry among them"
    best_cc = max((r["max_cc"] for r in table.rows if r["max_cc"] is not None), default=None)
    higher = [
        str(r["solution"])
        for r in table.rows
        if r["acceptable"] and r["solution"] > chosen["solution"]
        and contradicted(_evidence(r), best_cc)
    ]  # fmt: skip
    if higher:
        line += f" that the intensities have (they do not have that of {', '.join(higher)})"
    return line


def _evidence(row: Mapping[str, Any]) -> Evidence:
    return Evidence(
        metric_fit=row["metric_fit"], rmsd=row["rmsd"], min_cc=row["min_cc"],
        max_cc=row["max_cc"], rotations=frozenset(),
    )  # fmt: skip
