"""Cells of crystals by the scattering angles of their reflections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dxdask.columns import Reflections, check
from dxdask.errors import ConvergenceError, InputError
from dxdask.models import Crystal, ExperimentList, space_group
from dxdask.models.crystal import b_matrix
from dxdask.models.vectors import matrix
from dxdask.results import StepResult
from dxdask.tables import Table
from dxdask.two_theta.angles import Angles, observed_angles
from dxdask.two_theta.fit import CellFit, fit_cell
from dxdask.two_theta.parameters import TwoThetaParameters

ALL = "all"
LARGEST_DIFFERENCE = 0.05
"""Of the edges of crystals that are combined, as a fraction."""
LARGEST_Z = 5.0
"""Differences of cells of runs, over their standard uncertainties, that are not worth a message."""
_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")


def two_theta_refine(
    reflections: Reflections, experiments: ExperimentList, parameters: TwoThetaParameters
) -> StepResult:
    """Return crystals with cells that fit the scattering angles, with standard uncertainties.

    Parameters
    ----------
    reflections : columns experiment, panel, hkl, flags, x, y; of integrated ones also
        intensity_sum, intensity_sum_variance and partiality; variances of positions if known.
    experiments : rotation data or stills; their geometry is taken as it is.
    parameters : see `TwoThetaParameters`.

    Returns
    -------
    StepResult
        Models whose crystals have the new cell and `cell_su`, in the orientation that they had and
        static; no rows; the table cells: run (all: of all together), space_group, a .. gamma and
        volume with their _su, rmsd_deg (of 2 theta), n_used, n_outliers. Uncertainties are those of
        random errors of the positions: an error of distance or wavelength is common to all.

    Raises
    ------
    InputError
        There is no crystal, or crystals that are combined differ.
    ConvergenceError
        Too few reflections of all, or they do not determine the cell.
    """
    check(reflections, ("experiment", "panel", "hkl", "flags", "x", "y"))
    crystals = experiments.crystals
    if not crystals:
        raise InputError("there is no crystal whose cell could be refined; run index before")
    symbols = ["P 1" if parameters.triclinic else c.space_group for c in crystals]
    angles = observed_angles(reflections, experiments, parameters)
    of_row = np.array([-1 if m.crystal is None else m.crystal for m in experiments.members])
    of_row = of_row[angles.experiment]
    rows: list[dict[str, Any]] = []
    messages: list[str] = []
    whole = None
    if parameters.combine_crystal_models:
        _require_alike(crystals)
        whole = _fit(angles.of(of_row >= 0), symbols[0], parameters)
        rows.append(_row(ALL, symbols[0], whole))
    fits = []
    if whole is None or len(experiments.runs) > 1:
        fits = _fits_of_runs(angles, experiments, symbols, parameters, messages)
    rows += [_row(run, symbol, fit) for run, symbol, fit in fits]
    if whole is not None:
        messages += _disagreement(fits)
    new = []
    for i, (crystal, symbol) in enumerate(zip(crystals, symbols, strict=True)):
        fit = whole or _fit(angles.of(of_row == i), symbol, parameters)
        new.append(_with_cell(crystal, fit))
        several = sum(m.crystal == i for m in experiments.members) > 1
        if whole is None and several:
            rows.append(_row(_runs_of(experiments, i), symbol, fit))
    return StepResult(
        experiments=replace(experiments, crystals=tuple(new)),
        reflections={},
        tables=(_table(rows),),
        messages=tuple(messages),
    )


def _runs_of(experiments: ExperimentList, crystal: int) -> str:
    return ", ".join(dict.fromkeys(m.run for m in experiments.members if m.crystal == crystal))


def _fit(angles: Angles, symbol: str, parameters: TwoThetaParameters) -> CellFit:
    return fit_cell(angles, space_group(symbol), cutoff=parameters.outlier_cutoff)


def _fits_of_runs(
    angles: Angles,
    experiments: ExperimentList,
    symbols: Sequence[str],
    parameters: TwoThetaParameters,
    messages: list[str],
) -> list[tuple[str, str, CellFit]]:
    """Return the fit of each run by itself; one that has too few reflections is reported."""
    found = []
    run_of_row = experiments.run_indices[angles.experiment]
    for i, run in enumerate(experiments.runs):
        crystal = next((m.crystal for m in experiments.members if m.run == run), None)
        if crystal is None:
            continue
        try:
            fit = _fit(angles.of(run_of_row == i), symbols[crystal], parameters)
        except ConvergenceError as error:
            messages.append(f"run {run} by itself gives no cell: {error}")
            continue
        found.append((run, symbols[crystal], fit))
    return found


def _disagreement(fits: Sequence[tuple[str, str, CellFit]]) -> list[str]:
    """Return a message where the cells of runs differ by more than their uncertainties allow."""
    z = [
        (abs(p - q) / np.hypot(s, t), name, abs(p - q))
        for i, (_, _, one) in enumerate(fits)
        for _, _, two in fits[:i]
        for name, p, q, s, t in zip(_NAMES, one.cell, two.cell, one.su, two.su, strict=True)
        if s > 0 and t > 0
    ]
    if not z or max(z)[0] <= LARGEST_Z:
        return []
    worst, name, difference = max(z)
    return [
        f"cells of runs differ by up to {worst:.0f} standard uncertainties ({name} by "
        f"{difference:.4f}): their geometry differs by more than random errors of the positions"
    ]


def _require_alike(crystals: Sequence[Crystal]) -> None:
    """Check that crystals have one space group and nearly one cell."""
    first = np.array(crystals[0].unit_cell)
    for i, crystal in enumerate(crystals[1:], 1):
        other = np.array(crystal.unit_cell)
        near = np.abs(other[:3] / first[:3] - 1.0).max() <= LARGEST_DIFFERENCE
        if crystal.space_group != crystals[0].space_group or not near:
            raise InputError(
                f"crystal {i} ({crystal.space_group}) differs from the first "
                f"({crystals[0].space_group}): reindex them onto one, or set "
                "combine_crystal_models=false"
            )


def _with_cell(crystal: Crystal, fit: CellFit) -> Crystal:
    """Return the static crystal with a cell, in the orientation that it had."""
    b = b_matrix(fit.cell)
    left, _, right = np.linalg.svd(crystal.a @ np.linalg.inv(b))
    return replace(crystal, a_matrix=matrix(left @ right @ b), cell_su=fit.su, scan_points=None)


def _row(run: str, symbol: str, fit: CellFit) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run, "space_group": symbol}
    for name, value, su in zip(_NAMES, fit.cell, fit.su, strict=True):
        row[name] = value
        row[f"{name}_su"] = su
    return row | {
        "volume": fit.volume, "volume_su": fit.volume_su, "rmsd_deg": fit.rmsd,
        "n_used": fit.n_used, "n_outliers": fit.n_outliers,
    }  # fmt: skip


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = {"run": ("Run", ""), "space_group": ("Space group", ""),
                "rmsd_deg": ("RMSD 2theta\n(deg)", ".5f"), "n_used": ("#", ""),
                "n_outliers": ("Outliers", ""), "volume": ("Volume", ".2f"),
                "volume_su": ("su", ".2f")}  # fmt: skip
    for name in _NAMES:
        digits = ".5f" if len(name) == 1 else ".4f"
        headings |= {name: (name, digits), f"{name}_su": ("su", digits)}
    title = "Cells by scattering angles, with standard uncertainties"
    return Table(name="cells", title=title, rows=rows, headings=headings)
