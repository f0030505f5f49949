"""Cells and orientations: of each run, and along the scan where they vary."""

from __future__ import annotations

import numpy as np

from dxdask.errors import InputError
from dxdask.models.crystal import b_matrix, cell_of
from dxdask.models.rotations import rotation_vector
from dxdask.report.page.curves import names_of, stored
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

CELL = ("a", "b", "c", "alpha", "beta", "gamma")
STEPS = ("refine", "integrate", "index")


def make(tables: StepTables) -> Section | None:
    """Return the cells, and how crystals vary."""
    step = next((s for s in STEPS if tables.rows(s, "crystals")), None)
    plots = _varying(tables)
    lines = [] if plots else ["no crystal varies along its scan; refine with scan_varying=true"]
    named = stored(tables, step, "crystals", "intervals") if step else []
    named += stored(tables, "two_theta_refine", "cell", "cells")
    named += stored(tables, "refine_bravais_settings", "settings", "bravais_settings")
    if step and len(tables.rows(step, "crystals")) > 1:
        plots = [*_cells(tables, step), *plots]
    return Section(lines=lines, plots=plots, tables=named) if plots or named else None


def _cells(tables: StepTables, step: str) -> list[Plot]:
    n = np.arange(1, len(tables.rows(step, "crystals")) + 1)
    groups = (("lengths", "Å", CELL[:3]), ("angles", "degree", CELL[3:]))
    return [
        Lines(
            title=f"Cell {what} by crystal", x="crystal", y=f"{what} ({unit})",
            series=[Series(k, n, tables.column(step, "crystals", k), "points") for k in names],
        )
        for what, unit, names in groups
    ]  # fmt: skip


def _varying(tables: StepTables) -> list[Plot]:
    there = [s for s in STEPS if s in tables]
    for step in there:
        experiments = tables.experiments(step)
        varying = [
            i for i, e in enumerate(experiments) if e.crystal and e.crystal.scan_points is not None
        ]
        if not varying:
            continue
        names = names_of(experiments)
        curves: dict[str, list[Series]] = {k: [] for k in (*CELL, "phi1", "phi2", "phi3")}
        for i in varying:
            e = experiments[i]
            if e.crystal is None or e.scan is None:
                raise InputError(f"experiment {i} of {step} varies along no scan")
            points = np.asarray(e.crystal.scan_points)
            z = e.scan.array_range[0] + np.arange(len(points))
            cells = np.array([cell_of(a) for a in points])
            turned = np.degrees(
                [
                    rotation_vector(a @ np.linalg.inv(b_matrix(tuple(c))) @ e.crystal.u.T)
                    for a, c in zip(points, cells, strict=True)
                ]
            )
            for k, values in zip(curves, [*cells.T, *turned.T], strict=True):
                curves[k].append(Series(names[i], z, values))
        return [
            Lines(
                title=f"{'Rotation from the mean orientation' if k.startswith('phi') else 'Cell'}: "
                f"{k} along the scan",
                x="image",
                y=f"{k} ({'Å' if k in CELL[:3] else 'degree'})",
                series=found,
            )
            for k, found in curves.items()
            if any(np.ptp(s.y) > 1e-9 for s in found)
        ]
    return []


SECTION = SectionMaker(
    name="crystals", title="Crystals", order=6, make=make, needs=("index",), kinds=("sweeps",)
)
