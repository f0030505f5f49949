"""All crystals in the axes of a space group that is given, and in one setting of them."""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import ParameterError
from dxdask.indexing.common_setting import CommonSetting, common_setting
from dxdask.indexing.lattice_symmetry import find_settings
from dxdask.indexing.reduction import changed, inverse
from dxdask.models import ExperimentList, space_group
from dxdask.reindex import Reference, ReindexParameters, reindex
from dxdask.reindex.space_groups import change_to_group, require_metric
from dxdask.reindex.transform import Change
from dxdask.results import StepResult
from dxdask.symmetry.common_axes import one_setting
from dxdask.symmetry.finished import Report, finished, runs_of
from dxdask.symmetry.intensities import usable_intensities
from dxdask.symmetry.operators import Rotation, inverse_of, matrix_of, product, rotation_of
from dxdask.symmetry.parameters import SymmetryParameters
from dxdask.symmetry.preparation import in_common_axes, off_axes, significant


def in_known_group(
    reflections: Reflections,
    experiments: ExperimentList,
    group: gemmi.SpaceGroup,
    parameters: SymmetryParameters,
) -> StepResult:
    """Return rows and models in the axes of a space group.

    Where the lattice has more rotations than the group, intensities decide between the settings of
    several crystals; the first one keeps the axes that it has.

    Raises
    ------
    InputError
        A lattice has not the symmetry of the group, the cells differ, or no intensity is
        significant.
    """
    max_delta = parameters.lattice_symmetry_max_delta
    if len(experiments.crystals) > 1:
        common = common_setting(experiments.crystals)
        own = [change_to_group(c, group, max_delta) for c in experiments.crystals]
        # from the common reduced cell to the axes of the group
        change = inverse(common.changes[0]) @ own[0]
        laue = rotations_along(change, group)
        lattice = find_settings(common.reduced, max_delta)[0].rotations
        if laue < lattice:
            return _in_one_setting(
                reflections, experiments, common, Change(basis=change, group=group),
                own, lattice, parameters,
            )  # fmt: skip
    given = ReindexParameters(space_group=group.xhm(), lepage_max_delta=max_delta)
    return reindex(reflections, experiments, given)


def rotations_along(change: Floats, group: gemmi.SpaceGroup) -> frozenset[Rotation]:
    """Return the rotations of a group along the axes from which P (3, 3) leads to its own."""
    matrices = (np.array(op.rot, dtype=np.float64) / op.DEN for op in group.operations().sym_ops)
    return frozenset(rotation_of(change @ w * np.linalg.det(w) @ inverse(change)) for w in matrices)


def _in_one_setting(
    reflections: Reflections,
    experiments: ExperimentList,
    common: CommonSetting,
    change: Change,
    own: Sequence[Floats],
    lattice: frozenset[Rotation],
    parameters: SymmetryParameters,
) -> StepResult:
    """Return the result where intensities decide.

    change : from the common reduced cell to the axes of the group. own : P (3, 3) of each crystal
    to axes of the group, by its lattice alone.
    """
    laue = rotations_along(change.basis, change.group)
    report, unused = Report(), Report()
    observed = usable_intensities(reflections, experiments, parameters.partiality_threshold)
    data = significant(in_common_axes(observed, common), common.reduced, parameters, unused)
    aligned = one_setting(
        data, off_axes(data, lattice), runs_of(experiments), laue, lattice, parameters.cosym
    )
    back = inverse_of(aligned.operators[int(np.argmax(aligned.kept))])
    turns = [product(w, back) for w in aligned.operators]
    changes = [
        Change(basis=p @ matrix_of(w) @ change.basis, group=change.group)
        for p, w in zip(common.changes, turns, strict=True)
    ]
    for crystal, new in zip(experiments.crystals, changes, strict=True):
        require_metric(changed(crystal.a, new.basis), change.group)
    same = rotations_along(np.eye(3), change.group)
    turned = [
        rotation_of(inverse(p) @ new.basis) not in same for p, new in zip(own, changes, strict=True)
    ]
    report.messages.append(
        f"space group {change.group.xhm()} as given, which the lattice allows in "
        f"{len(lattice) // len(laue)} settings: {sum(turned)} of {len(turned)} crystals were "
        "brought to that of the first, by the correlation of intensities"
    )
    report.messages += aligned.messages
    report.tables.append(aligned.table)
    return finished(reflections, experiments, changes, aligned.kept, report)


def onto_reference(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: SymmetryParameters,
    reference: Reference,
) -> StepResult:
    """Return rows and models in the axes of a reference, with its space group or the one given.

    Raises
    ------
    ParameterError
        The space group given has other rotations than that of the reference.
    InputError
        The lattices differ, or too few reflections are common.
    """
    known = parameters.known_space_group
    given = ReindexParameters(
        space_group=known, lepage_max_delta=parameters.lattice_symmetry_max_delta
    )
    own = reference.crystal.gemmi_space_group
    if known is not None:
        there = space_group(known).operations()
        if not there.has_same_rotations(own.operations()):
            raise ParameterError(
                f"known_space_group={known} has other rotations than {own.xhm()} of "
                f"{reference.name}; leave one of them out"
            )
    return reindex(reflections, experiments, given, reference=reference)
