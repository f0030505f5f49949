"""Truth of simulated frames beside the results from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.cli.layout import brief_table
from dxdask.models.symmetry import asu_indices, pack
from dxdask.report.found import CELL
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.simulation import SimulationParameters
    from dxdask.storage.store.store import Store

_SHELLS = 5
_OBLIQUITY = 1.0  # degree


def comparison(store: Store, simulation: SimulationParameters, folder: Path) -> list[str]:
    """Return a table of what was put in and what was found, as lines.

    folder : of the simulated frames, with the true intensities.
    """
    rows = [
        {"": what, "put in": true, "found": found}
        for what, true, found in _rows(StepTables(store), simulation, folder)
    ]
    lines, _ = brief_table(Table(name="", title="Put in and found", rows=rows))
    moved = any(row.get("moved") for row in StepTables(store).rows("refine", "modules"))
    if any(any(shift) for shift in simulation.detector.module_shifts) and not moved:
        lines.append("  cell and distance follow the module that is not where the header has it")
    return lines


def _rows(
    tables: StepTables, simulation: SimulationParameters, folder: Path
) -> Iterator[tuple[str, str, str]]:
    crystal, detector = simulation.crystal, simulation.detector
    found = tables.rows("refine", "crystals")[0]
    yield "space group", crystal.space_group, str(found["space_group"])
    a, b, c, *angles = (float(found[k]) for k in CELL)
    yield "cell (A)", _numbers(crystal.unit_cell[:3], 2), _numbers((a, b, c), 2)
    yield "angles (degree)", _numbers(crystal.unit_cell[3:], 2), _numbers(angles, 2)
    distance = tables.values("refine", "panels", "distance_mm")
    yield "distance (mm)", f"{detector.distance:.2f}", f"{np.median(distance):.2f}"
    shift = detector.module_shifts[-1]
    if any(shift):
        own = tables.rows("refine", "modules")
        text = f"residuals differ by {_numbers(_apart(tables), 1)}"
        if own and own[-1].get("moved"):
            text = _numbers([own[-1]["shift_fast_px"], own[-1]["shift_slow_px"]], 2)
        yield "module off by (px)", _numbers(shift, 1), text
    if detector.gain_switch.enabled:
        notch = {str(row["notch"]) for row in tables.rows("histogram", "runs")}
        first = detector.gain_switch.threshold
        yield "gain switches at (counts)", str(first), f"no pixel has {', '.join(sorted(notch))}"
    for row in tables.rows("linearity", "ratios"):
        yield f"I in {row['run']}", f"{row['transmission']:.3f}", f"{row['median']:.4f}"
    correlations = _correlations(tables.store, folder / "truth_intensities.csv")
    if len(correlations):
        text = f"CC {correlations[0]:.4f} to {correlations[-1]:.4f} (high res.)"
        yield "log I of the crystal", "as calculated", text


def _numbers(values: Any, digits: int) -> str:
    return " ".join(f"{v:.{digits}f}" for v in values)


def _apart(tables: StepTables) -> Floats:
    """Return the differences (2,) of the mean residuals of the first and last panel, px."""
    table = tables.store.columns("refine", ["panel", "x", "y", "x_cal", "y_cal", "hkl"])
    good = np.any(table["hkl"] != 0, axis=1) & np.isfinite(table["x_cal"])
    panels = (0, int(table["panel"].max()))
    off = np.stack([table[n] - table[f"{n}_cal"] for n in "xy"], axis=1)
    means = [np.mean(off[good & (table["panel"] == i)], axis=0) for i in panels]
    apart: Floats = np.abs(means[1] - means[0])
    return apart


def _correlations(store: Store, truth: Path) -> Floats:
    """Return the correlation of the logarithms of merged and true intensities, by resolution.

    Of the settings that the lattice allows the crystal is found in one or another: the best counts.
    """
    true = np.genfromtxt(truth, delimiter=",", names=True)
    crystal = store.experiments("merge").crystals[0]
    group, cell = crystal.gemmi_space_group, gemmi.UnitCell(*crystal.unit_cell)
    indices = np.stack([true[n] for n in "hkl"], axis=1).astype(np.int32)
    merged = store.columns("merge", ["hkl", "intensity"])
    expected = pack(asu_indices(indices, group)[0])
    found = []
    for operator in (gemmi.Op("x,y,z"), *gemmi.find_twin_laws(cell, group, _OBLIQUITY, False)):
        rotation = np.array(operator.rot, dtype=np.int64)
        hkl = (merged["hkl"].astype(np.int64) @ rotation // operator.DEN).astype(np.int32)
        own = pack(asu_indices(hkl, group)[0])
        _, mine, theirs = np.intersect1d(own, expected, return_indices=True)
        found.append(
            _by_shell(merged["intensity"][mine], true["I_true"][theirs], true["d_A"][theirs])
        )
    return max(found, key=lambda values: float(np.mean(values)) if len(values) else -1.0)


def _by_shell(measured: Floats, expected: Floats, d: Floats) -> Floats:
    good = (measured > 0) & (expected > 0)
    parts = np.array_split(np.argsort(-d[good]), _SHELLS)
    x, y = np.log(measured[good]), np.log(expected[good])
    return np.array([np.corrcoef(x[p], y[p])[0, 1] for p in parts if len(p) > 2])
