"""Reflections and models in other axes, by an operator, a setting, a group or a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows
from dxdask.errors import InputError, ParameterError
from dxdask.indexing.setting import axes_text
from dxdask.models import Crystal, ExperimentList, space_group
from dxdask.reindex.ambiguity import Choice, choices
from dxdask.reindex.operators import indices_text, parse_operator
from dxdask.reindex.parameters import ReindexParameters
from dxdask.reindex.reference import Reference, nearest_orientation
from dxdask.reindex.space_groups import change_to_group, changed_group, require_metric
from dxdask.reindex.transform import Change, transform
from dxdask.results import StepResult
from dxdask.tables import Table

SMALL_DIFFERENCE = 0.1
"""Of correlations; where the best two are nearer, the message says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """A row of the table of Bravais settings: operators of each crystal, and the space group."""

    number: int
    operators: Sequence[str]
    space_group: str


def reindex(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: ReindexParameters,
    *,
    solution: Solution | None = None,
    reference: Reference | None = None,
) -> StepResult:
    """Return indexed or integrated reflections and their crystals in other axes.

    Parameters
    ----------
    reflections : columns experiment, hkl, flags; for a reference with intensities intensity_sum,
        and lp where it is there.
    parameters : see `ReindexParameters`; one of operator, solution, group or reference.
    solution : the setting that parameters.solution names.
    reference : the one that parameters.reference names.

    Returns
    -------
    StepResult
        Columns experiment, hkl and flags of all rows; the models, with crystals in the new axes;
        the tables reindexed (run, change_of_basis_op, hkl, space_group, a .. gamma; a row a
        crystal) and, with a reference, operators (run, change_of_basis_op, hkl, correlation,
        n_pairs, chosen).

    Raises
    ------
    ParameterError
        Nothing is asked for, or two things at once.
    InputError
        No crystal, or one whose lattice does not allow what is asked for.
    """
    check(reflections, ("experiment", "hkl", "flags"))
    if not experiments.crystals:
        raise InputError("there is no crystal to reindex; run index before")
    _require_one(parameters, solution, reference)
    tables, messages, changes = [], [], []
    runs = [_runs_of(experiments, i) for i in range(len(experiments.crystals))]
    for i, crystal in enumerate(experiments.crystals):
        if reference is None:
            changes.append(_change(crystal, parameters, solution, i))
            continue
        found, lines, rows = _onto(reflections, experiments, i, parameters, reference)
        changes.append(found)
        if found.group.number != crystal.gemmi_space_group.number:
            lines.append(
                f"space group {found.group.xhm()}, as the reference, in place of "
                f"{crystal.space_group}; give space_group= for another"
            )
        messages += [f"{runs[i]}: {line}" if len(runs) > 1 else line for line in lines]
        tables += [{"run": runs[i], **row} for row in rows]
    table, new, lost = transform(reflections, experiments, changes, parameters.hkl_offset)
    if lost:
        messages.append(f"{lost} reflections have no integer indices in the new axes: not indexed")
    report = [_reindexed_table(new, changes, runs)]
    return StepResult(
        experiments=new,
        reflections=table,
        tables=(*report, *([_operators_table(tables)] if tables else [])),
        messages=tuple(messages),
    )


def _require_one(
    parameters: ReindexParameters, solution: Solution | None, reference: Reference | None
) -> None:
    given = {
        "change_of_basis_op": parameters.change_of_basis_op is not None,
        "solution": solution is not None,
        "reference": reference is not None,
    }
    there = [name for name, is_there in given.items() if is_there]
    if len(there) > 1:
        raise ParameterError(f"{' and '.join(there)} exclude one another; give one of them")
    if not there and parameters.space_group is None and parameters.hkl_offset is None:
        raise ParameterError(
            "reindex needs change_of_basis_op, solution, space_group or reference.experiments "
            "(or .reflections)"
        )


def _runs_of(experiments: ExperimentList, crystal: int) -> str:
    """Return the names of the runs of a crystal."""
    return ", ".join(dict.fromkeys(m.run for m in experiments.members if m.crystal == crystal))


def _change(
    crystal: Crystal, parameters: ReindexParameters, solution: Solution | None, number: int
) -> Change:
    """Return the change of a crystal by an operator, a solution, or a space group alone."""
    symbol = parameters.space_group or (solution.space_group if solution else None)
    group = None if symbol is None else space_group(symbol)
    if solution is not None:
        operators = solution.operators
        basis = parse_operator(operators[number if len(operators) > 1 else 0])
    elif parameters.change_of_basis_op is not None:
        basis = parse_operator(parameters.change_of_basis_op)
    elif group is not None:
        basis = change_to_group(crystal, group, parameters.lepage_max_delta)
    else:
        basis = np.eye(3)
    if group is None:
        group = changed_group(crystal.gemmi_space_group, basis)
    require_metric(crystal.a @ np.linalg.inv(basis).T, group)
    return Change(basis=basis, group=group)


def _onto(
    reflections: Reflections,
    experiments: ExperimentList,
    number: int,
    parameters: ReindexParameters,
    reference: Reference,
) -> tuple[Change, list[str], list[dict[str, Any]]]:
    """Return the change of one crystal onto a reference, messages, and rows of the operators."""
    crystal = experiments.crystals[number]
    group = space_group(parameters.space_group or reference.crystal.space_group)
    if reference.hkl is None:
        if not reference.oriented:
            raise InputError(f"{reference.name} has neither intensities nor an orientation")
        basis, angle = nearest_orientation(crystal, reference, parameters.lepage_max_delta)
        line = f"{angle:.3f} degrees from the orientation of {reference.name}"
        return Change(basis=basis, group=group), [line], []
    hkl, intensity = _intensities(reflections, experiments, number)
    tried = choices(hkl, intensity, crystal, reference, parameters.lepage_max_delta)
    rows = [_row(choice, chosen=choice is tried[0]) for choice in tried]
    best = tried[0]
    line = (
        f"intensities correlate best with those of {reference.name} as "
        f"{indices_text(best.basis)}: {best.correlation:.3f} ({best.n_pairs} reflections)"
    )
    others = [c.correlation for c in tried[1:] if c.correlation is not None]
    if not others:
        line += "; the lattice has no other choice"
    elif best.correlation is not None and best.correlation - others[0] < SMALL_DIFFERENCE:
        line += f"; the next, {others[0]:.3f}, is hardly lower: the choice is not certain"
    return Change(basis=best.basis, group=group), [line], rows


def _intensities(
    reflections: Reflections, experiments: ExperimentList, number: int
) -> tuple[Integers, Floats]:
    """Return indices and intensities, corrected where integrated, of the rows of a crystal."""
    if "intensity_sum" not in reflections:
        raise InputError("the reflections have no intensities to compare with the reference")
    mine = [i for i, m in enumerate(experiments.members) if m.crystal == number]
    rows = np.isin(reflections["experiment"], mine) & np.any(reflections["hkl"] != 0, axis=1)
    if "lp" in reflections:
        rows &= has_flag(reflections, Flag.INTEGRATED)
    else:
        rows &= has_flag(reflections, Flag.INDEXED)
    if n_rows(reflections) and "partiality" in reflections:
        rows &= reflections["partiality"] > 0.99
    values = reflections["intensity_sum"][rows]
    if "lp" in reflections:
        values = values * reflections["lp"][rows]
    return reflections["hkl"][rows], values


def _row(choice: Choice, *, chosen: bool) -> dict[str, Any]:
    return {
        "change_of_basis_op": axes_text(choice.basis),
        "hkl": indices_text(choice.basis),
        "correlation": choice.correlation,
        "n_pairs": choice.n_pairs,
        "chosen": chosen,
    }


def _operators_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = {"change_of_basis_op": ("Operator", ""), "hkl": ("Indices", ""),
                "correlation": ("Correlation", ".3f"), "n_pairs": ("#", "")}  # fmt: skip
    title = "Axes that the lattice allows, by the correlation of intensities with the reference"
    return Table(name="operators", title=title, rows=rows, headings=headings)


def _reindexed_table(
    experiments: ExperimentList, changes: Sequence[Change], runs: Sequence[str]
) -> Table:
    rows = []
    for crystal, change, run in zip(experiments.crystals, changes, runs, strict=True):
        cell = zip(("a", "b", "c", "alpha", "beta", "gamma"), crystal.unit_cell, strict=True)
        rows.append({
            "run": run, "change_of_basis_op": axes_text(change.basis),
            "hkl": indices_text(change.basis), "space_group": crystal.space_group, **dict(cell),
        })  # fmt: skip
    headings = {"change_of_basis_op": ("Operator", ""), "hkl": ("Indices", ""),
                **{k: (k, ".3f") for k in ("a", "b", "c", "alpha", "beta", "gamma")}}  # fmt: skip
    return Table(name="reindexed", title="Crystals in the new axes", rows=rows, headings=headings)
