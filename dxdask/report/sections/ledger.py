"""Sums of the ledger: fates of frames, spots and reflections."""

from __future__ import annotations

from collections import Counter

from dxdask.ledger.sums import sum_rows
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

MOST_RUNS = 12
"""Runs that have columns of their own."""


def make(tables: StepTables) -> Section | None:
    """Return the number of each fate, in all and by run, which add up to the totals."""
    rows = sum_rows(tables.store, tables.columns)
    if not rows:
        return None
    runs = list(dict.fromkeys(row["run"] for row in rows))
    shown = runs if 1 < len(runs) <= MOST_RUNS else []
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        key = (row["what"], row["fate"], row["reason"])
        counts[key] += row["n"]
        counts[(*key, row["run"])] += row["n"]
    total: Counter[str] = Counter()
    for row in rows:
        total[row["what"]] += row["n"]
    out = [
        {
            "what": what,
            "fate": fate,
            "reason": reason,
            "n": counts[what, fate, reason],
            "%": round(100.0 * counts[what, fate, reason] / max(total[what], 1), 2),
            **{run: counts[what, fate, reason, run] for run in shown},
        }
        for what, fate, reason in dict.fromkeys(k for k in counts if len(k) == 3)
    ]
    lines = [", ".join(f"{n} {what}s" for what, n in total.items())]
    lines.append("of one frame, spot or Miller index: dxdask why STORE RUN IMAGE, or hkl=H,K,L")
    return Section(lines=lines, tables=[Table(name="ledger", title="Fates", rows=out)])


SECTION = SectionMaker(name="ledger", title="Ledger", order=20, make=make)
