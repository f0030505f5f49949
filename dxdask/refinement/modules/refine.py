"""Refinement with detectors re-cut into modules where these moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dxdask.arrays import Mask
from dxdask.columns import Flag, Reflections
from dxdask.models import Detector, ExperimentList
from dxdask.models.detector import Group
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.proposal import (
    NOT_REFINED,
    GroupMoves,
    ModuleProposal,
    message_of,
    modules_table,
    moves_of_row,
    propose_modules,
)
from dxdask.refinement.modules.recut import cut_as
from dxdask.refinement.modules.relative import relative_moves
from dxdask.refinement.modules.residuals import comparable, regions_table
from dxdask.refinement.modules.significance import sizes_of
from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.refine import refine
from dxdask.refinement.summary import panels_table
from dxdask.results import StepResult
from dxdask.tables import Table

_SAMPLE = 5000  # reflections of a run: enough to see modules move, and to begin with


def refine_with_modules(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: RefinementParameters,
    masks: Mapping[str, Mask] | None = None,
    modules: ModuleParameters | None = None,
) -> StepResult:
    """Refine the models, with each module of a detector by itself where the modules moved.

    Models are first refined with crystals that do not vary: a displaced module passes for a crystal
    that does. If modules moved significantly (`propose_modules`), detectors are re-cut, modules
    moved as the residuals show, and all is refined with a part for each module. Else the result is
    that of `refine`.

    Parameters
    ----------
    reflections, experiments, parameters : as of `refine`, with x, y and z; bbox, where there, shows
        gaps that no mask has.
    masks : (slow, fast) of the frames of runs, True is good.
    modules : what to do; by default re-cut and refine where modules moved.

    Returns
    -------
    StepResult
        As of `refine`, with the tables `modules` and `regions`; where modules moved, experiments
        and reflections are on the re-cut detectors.
    """
    given = modules or ModuleParameters()
    if given.modules == "none":
        return refine(reflections, experiments, parameters)
    static = _changed(parameters, scan_varying=False)
    first = refine(reflections, experiments, _sampled(static))
    proposal = propose_modules(first.reflections, first.experiments, given, masks)
    is_rigid = parameters.parameterisation.detector.hierarchy_level == 0
    if not (proposal.is_significant and given.modules == "auto" and is_rigid):
        found = refine(reflections, experiments, parameters)
        lines = [*proposal.messages]
        if proposal.is_significant:
            lines.append(
                NOT_REFINED
                if is_rigid
                else "The detector was refined by the parts that hierarchy_level has"
            )
        return _with_report(found, proposal.table, lines)
    found, rows, lines = _refined(proposal, parameters, given)
    start = replace(
        experiments,
        detectors=tuple(
            cut_as(d, _detector_for(i, experiments, found.experiments))
            for i, d in enumerate(experiments.detectors)
        ),
    )
    # moves of the parts are those of the table of modules, against the header and not the start
    tables = [t for t in found.tables if t.name not in ("panels", "parts")]
    found = replace(found, tables=(*tables, panels_table(start, found.experiments)))
    return _with_report(found, modules_table(rows), lines)


def _detector_for(index: int, before: ExperimentList, after: ExperimentList) -> Detector:
    """Return the detector afterwards of the experiments that had one before."""
    of = [m.detector for m in before.members].index(index)
    return after[of].detector


def _refined(
    proposal: ModuleProposal, parameters: RefinementParameters, given: ModuleParameters
) -> tuple[StepResult, list[dict[str, Any]], list[str]]:
    """Return the refinement with a part for each module, from where residuals show them."""
    cut = proposal.cut
    flags = cut.reflections["flags"].copy()
    # what is an outlier is known after crystals and distance have followed the modules
    flags[~comparable(cut.reflections)] &= ~np.uint32(Flag.INDEXED)
    static = _changed(parameters, scan_varying=False)
    settled = refine(
        {**cut.reflections, "flags": flags}, proposal.moved, _sampled(static, outliers=None)
    )
    counts = np.bincount(cut.reflections["panel"][comparable(cut.reflections)])
    found = refine(
        cut.reflections,
        _in_order(settled.experiments, lambda i: -counts[i] if i < len(counts) else 0),
        _changed(parameters, hierarchy_level=None),
    )
    found = replace(found, experiments=_in_order(found.experiments, lambda i: i))
    # errors are those of what is left
    rest = propose_modules(found.reflections, found.experiments, given)
    return found, *_rows_of_moves(proposal, rest, found.experiments)


def _in_order(experiments: ExperimentList, key: Callable[[int], int]) -> ExperimentList:
    """Return the experiments with the parts of each group of a detector in the order of a key of
    panels.

    Parts move against the first of their group, which should have the most reflections.
    """

    def ordered(group: Group) -> Group:
        groups = sorted(group.groups, key=lambda g: min(map(key, g.all_panels()), default=0))
        return replace(
            group,
            groups=tuple(map(ordered, groups)),
            panels=tuple(sorted(group.panels, key=key)),
        )

    detectors = tuple(replace(d, root=ordered(d.root)) for d in experiments.detectors)
    return replace(experiments, detectors=detectors)


def _rows_of_moves(
    before: ModuleProposal, after: ModuleProposal, refined: ExperimentList
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of `modules`, of the refined detectors, and a line for each detector."""
    rows: list[dict[str, Any]] = []
    lines = []
    for index, (start, end) in enumerate(zip(before.moves, after.moves, strict=True)):
        own = [dict(row) for row in before.table.rows if row["detector"] == index]
        if start.found is None or end.found is None or not _same(start, end):
            rows += own
            continue
        weights = np.array([row["n"] for row in own], np.float64) * start.compared
        detector = refined[int(start.members[0])].detector
        moves = relative_moves(start.detector, detector, weights)[:, [0, 1, 5]][start.compared]
        final = replace(
            start.found, moves=moves, covariance=end.found.covariance,
            size=sizes_of(moves, _sizes(start)),
        )  # fmt: skip
        z = final.z(moves)
        compared = [row for row, use in zip(own, start.compared, strict=True) if use]
        for k, row in enumerate(compared):
            row |= moves_of_row(moves[k], final.errors[k])
            row |= {"size_px": float(final.size[k]), "z": float(z[k])}
        rows += own
        line = message_of(replace(start, found=final), own)
        if start.found.any:
            is_cut = any(len(modules) > 1 for modules in before.cut.cuts[index])
            line += f"; re-cut into {len(own)} panels, each" if is_cut else "; each panel is"
            line += " refined"
        lines.append(line)
    return rows, lines


def _same(one: GroupMoves, other: GroupMoves) -> bool:
    """Return True if the same modules were compared."""
    return np.array_equal(one.members, other.members) and np.array_equal(
        one.compared, other.compared
    )


def _sizes(group: GroupMoves) -> Any:
    sizes = np.array([p.image_size for p in group.detector.panels], np.float64)
    return sizes[group.compared]


def _with_report(found: StepResult, table: Table, lines: Sequence[str]) -> StepResult:
    regions = []
    if len({len(d) for d in found.experiments.detectors}) == 1:
        regions = [regions_table(found.reflections, found.experiments.detectors[0])]
    return replace(
        found, tables=(*found.tables, table, *regions), messages=(*found.messages, *lines)
    )


def _changed(parameters: RefinementParameters, **changes: Any) -> RefinementParameters:
    """Return the parameters with a change of the parameterisation or of the detector's."""
    old = parameters.parameterisation
    if "hierarchy_level" in changes:
        # a module without reflections moves with the others
        changes = {
            "detector": old.detector.model_copy(update=changes),
            "auto_reduction": old.auto_reduction.model_copy(update={"action": "fix"}),
        }
    return parameters.model_copy(update={"parameterisation": old.model_copy(update=changes)})


def _sampled(parameters: RefinementParameters, **outliers: Any) -> RefinementParameters:
    """Return the parameters for some reflections of each run; outliers=None rejects none."""
    old = parameters.reflections
    most = min(_SAMPLE, old.maximum_sample_size or _SAMPLE)
    changes: dict[str, Any] = {
        "maximum_sample_size": most, "minimum_sample_size": min(most, old.minimum_sample_size)
    }  # fmt: skip
    if "outliers" in outliers:
        changes["outlier"] = old.outlier.model_copy(update={"algorithm": outliers["outliers"]})
    return parameters.model_copy(update={"reflections": old.model_copy(update=changes)})
