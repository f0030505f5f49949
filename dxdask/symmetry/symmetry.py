"""The step `symmetry`, in memory: the space group of integrated reflections, and its axes."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Reflections, check
from dxdask.errors import InputError
from dxdask.indexing.common_setting import common_setting
from dxdask.indexing.reduction import inverse
from dxdask.models import ExperimentList, space_group
from dxdask.reindex import Reference
from dxdask.reindex.transform import Change
from dxdask.results import StepResult
from dxdask.symmetry.centring import without_absent
from dxdask.symmetry.common_axes import one_setting
from dxdask.symmetry.finished import Report, finished, runs_of
from dxdask.symmetry.intensities import usable_intensities
from dxdask.symmetry.known_group import in_known_group, onto_reference
from dxdask.symmetry.lattice_group import laue_groups
from dxdask.symmetry.laue_group import doubts, find_laue_group
from dxdask.symmetry.operators import IDENTITY, is_axial, matrix_of
from dxdask.symmetry.parameters import SymmetryParameters
from dxdask.symmetry.preparation import in_common_axes, off_axes, significant
from dxdask.symmetry.space_group import determined_space_group
from dxdask.symmetry.tables import laue_groups_table, operators_table
from dxdask.symmetry.twinning import twinning_statistics, twinning_table, verdict


def symmetry(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: SymmetryParameters | None = None,
    *,
    reference: Reference | None = None,
) -> StepResult:
    """Determine the space group and bring all crystals to its axes.

    The Laue group is that of the highest likelihood by the correlation of equivalents (Evans 2011,
    Acta Cryst. D67, 282); the space group that of the highest probability by systematic absences.

    Parameters
    ----------
    reflections : integrated: experiment, hkl, flags, z_cal, partiality, lp, qe, intensity_sum and
        its variance; intensity_prf and its variance where there are any.
    parameters : with `known_space_group`, only the axes and settings are chosen.
    reference : whose axes are taken over, with its space group where none is given.

    Returns
    -------
    StepResult
        Columns experiment, hkl and flags of all rows, in the new axes; the models; tables
        forms (of several crystals), operators, laue_groups, systematic_absences, space_groups,
        twinning, reindexed.

    Raises
    ------
    SchemaError
        A column is missing.
    ParameterError
        The space group given has other rotations than the reference.
    InputError
        There is no crystal, the cells differ, or no intensity is significant.
    """
    parameters = parameters or SymmetryParameters()
    check(reflections, ("experiment", "hkl", "flags"))
    if not experiments.crystals:
        raise InputError("there is no crystal to determine the symmetry of; run index before")
    if reference is not None:
        return onto_reference(reflections, experiments, parameters, reference)
    if parameters.known_space_group is not None:
        group = space_group(parameters.known_space_group)
        return in_known_group(reflections, experiments, group, parameters)
    return _determined(reflections, experiments, parameters)


def _determined(
    reflections: Reflections, experiments: ExperimentList, parameters: SymmetryParameters
) -> StepResult:
    observed = usable_intensities(reflections, experiments, parameters.partiality_threshold)
    common = common_setting(experiments.crystals)
    report = Report()
    data = in_common_axes(observed, common)
    own = inverse(common.changes[0]), experiments.crystals[0].gemmi_space_group.centring_type()
    data, smaller, lines = without_absent(data, common)
    if smaller is not common:
        # the axes of the data are not those of a cell of this lattice
        common, own = smaller, (np.eye(3), "P")
    report.messages += lines
    data = significant(data, common.reduced, parameters, report)
    groups = laue_groups(common.reduced, parameters.lattice_symmetry_max_delta, own)
    lattice = max((g.rotations for g in groups), key=len)
    is_general = off_axes(data, lattice)
    general = data.select(is_general)
    operators = [IDENTITY] * len(common.changes)
    kept = np.ones(len(operators), dtype=np.bool_)
    if len(operators) > 1:
        within = find_laue_group(general, common.reduced, groups, by_crystal=True)
        aligned = one_setting(
            data, is_general, runs_of(experiments), within.best.rotations, lattice, parameters.cosym
        )
        report.tables.append(aligned.table)
        report.messages += aligned.messages
        data, operators, kept = aligned.data, list(aligned.operators), aligned.kept
        general = data.select(~is_axial(data.hkl, lattice))
    found = find_laue_group(general, common.reduced, groups, by_crystal=False)
    report.tables += [operators_table(found), laue_groups_table(found)]
    report.messages.append(
        f"Laue group {found.best.group.laue_str()} ({found.best.group.xhm()}), confidence "
        f"{found.confidence:.2f}"
    )
    report.messages += doubts(found)
    group, to_group, tables, lines = determined_space_group(
        data, found.best, parameters, experiments.crystals[0].gemmi_space_group
    )
    report.tables += tables
    report.messages += lines
    statistics = twinning_statistics(
        general, common.reduced, found.best, lattice, parameters.twinning
    )
    report.tables.append(twinning_table(statistics))
    report.messages += verdict(statistics, parameters.twinning.patterson_threshold)
    changes = [
        Change(basis=p @ matrix_of(w) @ found.best.change @ to_group, group=group)
        for p, w in zip(common.changes, operators, strict=True)
    ]
    return finished(reflections, experiments, changes, kept, report)
