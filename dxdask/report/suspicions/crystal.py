"""Cells that differ, or are not those of their space group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gemmi
import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion

CELL = 0.01  # relative difference of cells
FEWEST = 50  # reflections of a run for a lattice without symmetry


def suspicious_crystals(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious of crystals."""
    yield from _cell(tables)


def _cell(tables: StepTables) -> Iterator[Suspicion]:
    cells = _cells(tables, "refine") or _cells(tables, "index")
    if not cells:
        return
    found = [volume for volume, _ in cells]
    primitive = _primitive(cells)
    lengths = [float(np.cbrt(v)) for v in primitive]
    if max(lengths) / min(lengths) - 1 > CELL:
        spread = 100 * (max(lengths) / min(lengths) - 1)
        yield Suspicion(
            f"the cells of the runs differ by {spread:.1f} % in length",
            "check that all runs are of one crystal form and have the same distance",
            "crystals",
        )
    # primitive cells are those of index, however `reindex` changed the axes
    start = _primitive(_cells(tables, "index"))
    change = float(np.cbrt(np.median(primitive) / np.median(start))) - 1 if start else 0.0
    if abs(change) > CELL:
        yield Suspicion(
            f"refinement changed the cell by {100 * change:+.1f} % in length",
            _causes(tables),
            "crystals",
        )
    given = tables.store.step_attributes("index")["parameters"].get("indexing", {})
    cell = given.get("known_symmetry", {}).get("unit_cell")
    if cell:
        ratio = float(np.cbrt(np.median(found) / gemmi.UnitCell(*map(float, cell)).volume)) - 1
        # of another setting the volume is a multiple
        if CELL < abs(ratio) < 0.1:
            yield Suspicion(
                f"the cell is {100 * ratio:+.1f} % off the one given, in length",
                "check distance, wavelength and the cell given",
                "crystals",
            )
    yield from _metric(tables)


def _causes(tables: StepTables) -> str:
    """Return what may have given `index` another cell: the header, and modules out of place."""
    moved = [row for row in tables.rows("refine", "modules") if row.get("moved")]
    causes = "check distance and wavelength of the header"
    if not moved:
        return causes
    return (
        "modules were out of place in the header, which may have changed the cell of index; if "
        f"refine is right about them, nothing is to be done, else {causes}"
    )


def _metric(tables: StepTables) -> Iterator[Suspicion]:
    """Compare the cell with that of a lattice without symmetry through the same spots."""
    # points of the reciprocal lattice are those of the models of index
    step = "index" if tables.rows("index", "crystals") else ""
    try:
        table = tables.columns(step, ["experiment", "hkl", "rlp", "flags"])
        experiments = tables.experiments(step)
    except (KeyError, ValueError, OSError):  # of stills, whose spots are kept otherwise
        return
    if not {"hkl", "rlp"} <= set(table):
        return
    good = has_flag(table, Flag.USED_IN_REFINEMENT)
    worst, where = 0.0, ""
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(table["experiment"][rows], kind="stable")]
    ends = np.searchsorted(table["experiment"][rows], np.arange(len(experiments) + 1))
    for experiment, first, last in zip(experiments, ends[:-1], ends[1:], strict=True):
        mine = rows[first:last]
        if experiment.crystal is None or len(mine) < FEWEST:
            continue
        hkl = table["hkl"][mine].astype(float)
        solution, _, rank, _ = np.linalg.lstsq(hkl, table["rlp"][mine], rcond=None)
        if rank < 3:
            continue
        free = np.sqrt(np.diag(np.linalg.inv(solution @ solution.T)))
        off = np.abs(free / np.array(experiment.crystal.unit_cell[:3]) - 1)
        if off.max() > worst:
            worst, where = float(off.max()), f"{'abc'[int(off.argmax())]} of {experiment.run}"
    if worst > CELL:
        yield Suspicion(
            f"without symmetry {where} would be {100 * worst:.1f} % off the lattice's: the space "
            "group or the geometry is wrong",
            "try the settings with dxdask refine_bravais_settings STORE, without space_group",
            "crystals",
        )


def _cells(tables: StepTables, step: str) -> list[tuple[float, int]]:
    """Return the volume (cubic A) of each cell of a step, and its number of lattice points."""
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    return [
        (gemmi.UnitCell(*(float(row[n]) for n in names)).volume, _n_lattice_points(row))
        for row in tables.rows(step, "crystals")
    ]


def _n_lattice_points(row: Mapping[str, Any]) -> int:
    group = gemmi.find_spacegroup_by_name(str(row.get("space_group")))
    return 1 if group is None else len(group.operations().cen_ops)


def _primitive(cells: list[tuple[float, int]]) -> list[float]:
    return [volume / n for volume, n in cells]
