"""The step `symmetry`, in memory: the space group of integrated reflections, and its axes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check
from dxdask.errors import InputError, ParameterError
from dxdask.indexing.common_setting import CommonSetting, common_setting
from dxdask.indexing.reduction import inverse
from dxdask.models import ExperimentList
from dxdask.reindex import Reference, ReindexParameters, reindex
from dxdask.reindex.transform import Change, transform
from dxdask.results import StepResult
from dxdask.symmetry.centring import without_absent
from dxdask.symmetry.common_axes import one_setting
from dxdask.symmetry.intensities import (
    Intensities,
    crystal_of_experiment,
    spacings_of,
    usable_intensities,
)
from dxdask.symmetry.lattice_group import laue_groups
from dxdask.symmetry.laue_group import doubts, find_laue_group
from dxdask.symmetry.normalise import normalise
from dxdask.symmetry.operators import IDENTITY, is_axial, matrix_of
from dxdask.symmetry.parameters import SymmetryParameters
from dxdask.symmetry.resolution import significant_d_min
from dxdask.symmetry.space_group import determined_space_group
from dxdask.symmetry.tables import (
    laue_groups_table,
    operators_table,
    reindexed_table,
)
from dxdask.symmetry.twinning import twinning_statistics, twinning_table, verdict
from dxdask.tables import Table


@dataclass(kw_only=True)
class Report:
    """Tables and messages, in order."""

    tables: list[Table] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


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
    reference : whose axes are taken over, with its space group, where it has intensities.

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
    InputError
        There is no crystal, the cells differ, or no intensity is significant.
    """
    parameters = parameters or SymmetryParameters()
    check(reflections, ("experiment", "hkl", "flags"))
    if not experiments.crystals:
        raise InputError("there is no crystal to determine the symmetry of; run index before")
    if reference is not None and parameters.known_space_group is not None:
        raise ParameterError(
            "known_space_group and reference exclude one another; give one of them"
        )
    if parameters.known_space_group is not None or reference is not None:
        given = ReindexParameters(
            space_group=parameters.known_space_group,
            lepage_max_delta=parameters.lattice_symmetry_max_delta,
        )
        return reindex(reflections, experiments, given, reference=reference)
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
    general = data.select(~is_axial(data.hkl, lattice))
    if not len(general):
        raise InputError(
            f"all {len(data)} usable reflections lie on axes of the lattice, which do not tell "
            "its symmetry; integrate more images, or give known_space_group="
        )
    operators = [IDENTITY] * len(common.changes)
    kept = np.ones(len(operators), dtype=np.bool_)
    if len(operators) > 1:
        within = find_laue_group(general, common.reduced, groups, by_crystal=True)
        on_axis = is_axial(data.hkl, lattice)
        aligned = one_setting(
            data, ~on_axis, runs_of(experiments), within.best.rotations, lattice, parameters.cosym
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
    group, to_group, tables, lines = determined_space_group(data, found.best, parameters)
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


def runs_of(experiments: ExperimentList) -> list[str]:
    """Return the names of the runs of each crystal."""
    return [
        ", ".join(dict.fromkeys(m.run for m in experiments.members if m.crystal == i))
        for i in range(len(experiments.crystals))
    ]


def in_common_axes(observed: Intensities, common: CommonSetting) -> Intensities:
    """Return the observations with indices in the reduced cell that the crystals share."""
    changes = np.stack(common.changes)[observed.crystal]
    hkl = np.rint(np.einsum("ni,nij->nj", observed.hkl.astype(np.float64), changes))
    return replace(observed, hkl=hkl.astype(np.int64))


def significant(
    data: Intensities, reduced: Floats, parameters: SymmetryParameters, report: Report
) -> Intensities:
    """Return the normalised intensities up to the resolution where they are significant."""
    d = spacings_of(data.hkl, reduced)
    d_min = parameters.d_min
    if d_min is None:
        d_min = significant_d_min(
            data, d, parameters.min_i_mean_over_sigma_mean, parameters.min_cc_half
        )
    kept = d >= d_min
    if not kept.any():
        raise InputError(f"no reflection has d of {d_min:g} A or more; raise or leave out d_min")
    report.messages.append(f"{int(kept.sum())} reflections to {d_min:.2f} A are used")
    return normalise(data.select(kept), d[kept], parameters.normalisation)


def finished(
    reflections: Reflections,
    experiments: ExperimentList,
    changes: list[Change],
    kept: NDArray[np.bool_],
    report: Report,
) -> StepResult:
    """Return rows and models in the new axes, with the report.

    kept : (n,) of each crystal; reflections of the others, and those that centring makes absent,
    are no longer indexed, nor integrated.
    """
    table, new, lost = transform(reflections, experiments, changes)
    if lost:
        report.messages.append(
            f"{lost} reflections have no integer indices in the new axes: not indexed"
        )
    shifts = np.array(changes[0].group.operations().cen_ops, dtype=np.int64)
    absent = np.any(table["hkl"] @ shifts.T % gemmi.Op.DEN != 0, axis=1)
    table["hkl"][absent] = 0
    table["flags"][absent] &= ~np.uint32(Flag.INDEXED | Flag.INTEGRATED)
    if not kept.all():
        crystal = crystal_of_experiment(experiments)[table["experiment"]]
        out = (crystal >= 0) & ~kept[crystal]
        table["hkl"][out] = 0
        table["flags"][out] &= ~np.uint32(Flag.INDEXED | Flag.INTEGRATED)
    runs, cells = runs_of(experiments), [c.unit_cell for c in new.crystals]
    report.tables.append(
        reindexed_table(runs, [c.basis for c in changes], cells, changes[0].group.xhm())
    )
    return StepResult(
        experiments=new,
        reflections=table,
        tables=tuple(report.tables),
        messages=tuple(report.messages),
    )
