"""Proposal to re-cut detectors into modules, by the residuals after refinement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.columns import Reflections, check, select
from dxdask.models import Detector, ExperimentList
from dxdask.refinement.modules.blocks import blocks_of, layout_of
from dxdask.refinement.modules.cutting import ModuleCut, cut_into_modules
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.relative import with_moves
from dxdask.refinement.modules.residuals import (
    NEEDED,
    comparable,
    differences,
    number,
    places_of,
    residuals_of_parts,
)
from dxdask.refinement.modules.significance import Significance, significance_of_moves
from dxdask.tables import Table

MOVES = (
    "shift_fast_px", "shift_fast_su", "shift_slow_px", "shift_slow_su",
    "rotation_mrad", "rotation_su",
)  # fmt: skip
"""Columns of the moves of modules and their standard uncertainties."""
NOT_REFINED = "They were not refined; give detector.modules=auto to re-cut the detector into them"
"""Message of a proposal that is not followed."""


@dataclass(frozen=True, kw_only=True)
class GroupMoves:
    """Moves of the modules of runs on one detector.

    Attributes
    ----------
    members : indices of the experiments. detector : the first of theirs, re-cut.
    compared : (panels,) modules with enough reflections. found : of those; None of fewer than two.
    """

    members: NDArray[np.int64]
    detector: Detector
    compared: NDArray[np.bool_]
    applied: Floats
    found: Significance | None


@dataclass(frozen=True, kw_only=True)
class ModuleProposal:
    """Detectors re-cut into modules, and how these moved.

    Attributes
    ----------
    cut : reflections and experiments with the modules as panels, where they were.
    moves : of each group of runs on one detector. table : `modules`. messages : one a group.
    """

    cut: ModuleCut
    moves: tuple[GroupMoves, ...]
    table: Table
    messages: tuple[str, ...]

    @property
    def is_significant(self) -> bool:
        """True if a module of any detector moved significantly."""
        return any(g.found is not None and g.found.any for g in self.moves)

    @property
    def moved(self) -> ExperimentList:
        """The experiments with the modules moved, of detectors where any moved significantly."""
        experiments = self.cut.experiments
        detectors = list(experiments.detectors)
        for g in self.moves:
            if g.found is None or not g.found.any:
                continue
            for k in {experiments.members[i].detector for i in g.members.tolist()}:
                detectors[k] = with_moves(detectors[k], g.compared, g.applied)
        return replace(experiments, detectors=tuple(detectors))


def propose_modules(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: ModuleParameters | None = None,
    masks: Mapping[str, Mask] | None = None,
) -> ModuleProposal:
    """Return whether the modules of detectors moved against each other, and how.

    The residuals of all runs on one detector are pooled, the cut is the same for all.

    Parameters
    ----------
    reflections : after refinement: columns experiment, panel, flags, x, y, x_cal, y_cal; of sweeps
        also z, z_cal and those that `predict` needs, of stills z.
    experiments : with which they were predicted.
    masks : (slow, fast) of the frames of runs, True is good.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        Panels of a detector overlap in the stored frame.
    """
    check({n: reflections[n] for n in NEEDED if n in reflections}, NEEDED)
    given = parameters or ModuleParameters()
    cut = cut_into_modules(reflections, experiments, masks or {})
    table = cut.reflections
    rows: list[dict[str, Any]] = []
    messages, groups = [], []
    for members in cut.groups:
        own = select(table, np.isin(table["experiment"], members))
        group = _moves_of(own, cut.experiments, members, given)
        groups.append(group)
        found = _rows(own, group, cut, len(groups) - 1)
        rows += found
        if group.found is not None:
            messages.append(message_of(group, found))
    return ModuleProposal(
        cut=cut, moves=tuple(groups), table=modules_table(rows), messages=tuple(messages)
    )


def _moves_of(
    table: Reflections,
    experiments: ExperimentList,
    members: NDArray[np.int64],
    given: ModuleParameters,
) -> GroupMoves:
    detector = experiments[int(members[0])].detector
    counts = np.bincount(table["panel"][comparable(table)], minlength=len(detector))
    compared = counts >= given.min_reflections
    found, applied = None, np.zeros((0, 3))
    if compared.sum() > 1:
        blocks = blocks_of(table, experiments, compared)
        there = np.bincount(
            np.concatenate([b.module for b in blocks]) if blocks else [],
            minlength=int(compared.sum()),
        )
        if (there > 0).all():
            fit, found = significance_of_moves(blocks, layout_of(detector, compared), given)
            applied = fit.values
    return GroupMoves(
        members=members, detector=detector, compared=compared, applied=applied, found=found
    )


def _rows(
    table: Reflections, group: GroupMoves, cut: ModuleCut, index: int
) -> list[dict[str, Any]]:
    """Return a row for each module of a group."""
    rows = comparable(table)
    own = {name: table[name][rows] for name in NEEDED}
    mean = residuals_of_parts(
        differences(own), places_of(own, group.detector), own["panel"].astype(np.int64),
        len(group.detector),
    )  # fmt: skip
    runs = dict.fromkeys(cut.experiments.members[i].run for i in group.members.tolist())
    place = np.cumsum(group.compared) - 1
    origin = [(i, r) for i, modules in enumerate(cut.cuts[index]) for r in modules]
    out: list[dict[str, Any]] = []
    for k, (panel, (x0, y0, x1, y1)) in enumerate(origin):
        row: dict[str, Any] = {
            "detector": index, "run": ", ".join(runs), "panel": panel, "module": k,
            "name": group.detector[k].name.rsplit("/", 1)[-1],
            "x0": x0, "y0": y0, "x1": x1, "y1": y1, "n": int(mean.n[k]),
            "residual_x_px": number(mean.robust[k, 0]), "residual_y_px": number(mean.robust[k, 1]),
        }  # fmt: skip
        row |= _moved(group, int(place[k])) if group.compared[k] else _moved(None, 0)
        out.append(row)
    return out


def _moved(group: GroupMoves | None, k: int) -> dict[str, Any]:
    """Return the values of a row that say how a module moved; None where it was not compared."""
    found = None if group is None else group.found
    if found is None:
        return {**dict.fromkeys(MOVES), "size_px": None, "z": None, "chance": None, "moved": None}
    return {
        **moves_of_row(found.moves[k], found.errors[k]),
        "size_px": float(found.size[k]),
        "z": float(found.z(found.moves)[k]),
        "chance": float(found.chance[k]),
        "moved": bool(found.significant[k]),
    }


def moves_of_row(move: Floats, error: Floats) -> dict[str, float]:
    """Return a move (3,) and its standard uncertainties as values of a row."""
    pairs = zip(MOVES[::2], MOVES[1::2], move.tolist(), error.tolist(), strict=True)
    return {key: v for name, su, value, e in pairs for key, v in ((name, value), (su, e))}


HEADINGS = {
    "detector": ("Detector", ""), "run": ("Run", ""), "panel": ("Panel", ""),
    "module": ("Module", ""), "name": ("Name", ""), "x0": ("x0", ""), "y0": ("y0", ""),
    "x1": ("x1", ""), "y1": ("y1", ""), "n": ("Nref", ""),
    "residual_x_px": ("residual x\n(px)", ".3f"), "residual_y_px": ("residual y\n(px)", ".3f"),
    "shift_fast_px": ("Shift fast\n(px)", ".3f"), "shift_fast_su": ("su", ".3f"),
    "shift_slow_px": ("Shift slow\n(px)", ".3f"), "shift_slow_su": ("su", ".3f"),
    "rotation_mrad": ("Rotation\n(mrad)", ".3f"), "rotation_su": ("su", ".3f"),
    "size_px": ("Size\n(px)", ".3f"), "z": ("z", ".1f"), "chance": ("Chance", ".1e"),
    "moved": ("Moved", ""),
}  # fmt: skip


def modules_table(rows: list[dict[str, Any]]) -> Table:
    """Return the table of modules with their moves, each against the others."""
    title = "Modules of the detector, each against the others"
    return Table(name="modules", title=title, rows=rows, headings=HEADINGS)


def message_of(group: GroupMoves, rows: list[dict[str, Any]]) -> str:
    """Return the line on the modules of one detector: how many moved, and the one that did most.

    Of two, which can only be seen to move against each other, it is one that moved.
    """
    found = group.found
    if found is None or not found.any:
        return f"{int(group.compared.sum())} modules of the detector have not moved significantly"
    best = _most(found)
    row = [r for r, use in zip(rows, group.compared, strict=True) if use][best]
    n_moved = 1 if len(found.size) == 2 else int(found.significant.sum())
    return (
        f"{n_moved} of {len(found.size)} modules moved against the others: "
        f"{row['name']} by {_with_su(row, 'fast')} px along fast, {_with_su(row, 'slow')} px along "
        "slow"
    )


def _most(found: Significance) -> int:
    """Return the module that moved most; of two that moved against each other, the second."""
    size = np.where(found.significant, found.size, -1.0)
    if len(size) == 2:
        return 1
    return int(np.argmax(size))


def _with_su(row: Mapping[str, Any], axis: str) -> str:
    return f"{row[f'shift_{axis}_px']:+.3f} +- {row[f'shift_{axis}_su']:.3f}"
