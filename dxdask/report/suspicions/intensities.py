"""Intensities: overloads, linearity, scaling, merging."""

from __future__ import annotations

from collections.abc import Iterator

from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion
from dxdask.tables import shortened

LINEARITY = 0.02
OVERLOADED = 0.01
EXCLUDED = 0.5
OUTLIERS = 0.05


def suspicious_intensities(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious of intensities."""
    for check in (_overloads, _linearity, _excluded, _merging):
        yield from check(tables)


def _overloads(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("integrate", "summary")
    poor = [
        f"{row['run']} {row['n_overloaded']}"
        for row in rows
        if row.get("n_predicted") and row.get("n_overloaded", 0) > OVERLOADED * row["n_predicted"]
    ]
    if poor:
        yield Suspicion(
            f"many overloaded reflections: {shortened(poor, 4)}",
            "record with less transmission",
            "integration",
        )


def _linearity(tables: StepTables) -> Iterator[Suspicion]:
    rows = [
        row
        for row in tables.rows("linearity", "ratios")
        if row.get("n") and row.get("median") and row.get("transmission")
    ]
    if not rows:
        return
    most = max(row["transmission"] for row in rows)
    off = [
        f"{row['run']} {100 * (row['median'] * most / row['transmission'] - 1):+.1f} %"
        for row in rows
        if abs(row["median"] * most / row["transmission"] - 1) > LINEARITY
    ]
    if off and len({row["transmission"] for row in rows}) > 1:
        yield Suspicion(
            f"intensities are not in proportion to transmission: {shortened(off, 4)}",
            "check the transmissions of the header, and the response of the detector",
            "linearity",
        )


def _excluded(tables: StepTables) -> Iterator[Suspicion]:
    for row in tables.rows("scale", "summary")[:1]:
        every = int(row.get("n_reflections") or 0)
        excluded, outliers = (int(row.get(n) or 0) for n in ("n_excluded", "n_outliers"))
        if excluded > EXCLUDED * every:
            yield Suspicion(
                f"scaling used {every - excluded} of {every} reflections",
                "look at the reasons in the table of exclusions",
                "scaling",
            )
        if outliers > OUTLIERS * every:
            yield Suspicion(
                f"{outliers} of {every} reflections are outliers",
                "look where they are: ice, shadows, bad pixels or a wrong symmetry",
                "outliers",
            )


def _merging(tables: StepTables) -> Iterator[Suspicion]:
    for row in tables.rows("merge", "shells")[:1]:
        cc = row.get("cc_half")
        if isinstance(cc, (int, float)) and cc < 0.9:
            yield Suspicion(
                f"CC1/2 is {cc:.3f} in the lowest shell",
                "check symmetry and setting of the runs (dxdask reindex), beam stop and overloads",
                "merging",
            )
        if isinstance(row.get("completeness"), (int, float)) and row["completeness"] < 0.7:
            yield Suspicion(
                f"the lowest shell is {100 * row['completeness']:.0f} % complete",
                "merge more stills"
                if "hits" in tables
                else "record more rotation, or with less transmission: strong reflections are "
                "missing",
                "merging",
            )
