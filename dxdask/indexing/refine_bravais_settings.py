"""Refinement of crystals in every Bravais setting that their lattice allows."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, Reflections, check, has_flag, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.bravais_tables import Solution, bravais_table, crystals_table, recommendation
from dxdask.indexing.common_setting import CommonSetting, common_setting
from dxdask.indexing.correlation import Correlations, merge_intensities
from dxdask.indexing.lattice_symmetry import Setting, find_settings
from dxdask.indexing.parameters import BravaisParameters
from dxdask.indexing.reduction import inverse
from dxdask.indexing.refinement_settings import for_indexing
from dxdask.indexing.setting import in_setting
from dxdask.models import ExperimentList, space_group
from dxdask.models.metric import rotations_of
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.summary import rmsd_in_plane
from dxdask.results import StepResult

SAMPLE = 10_000
MOST_PASSES = 4
CONVERGED = 0.01


def refine_bravais_settings(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: BravaisParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Refine indexed crystals in every setting that their lattice allows.

    Parameters
    ----------
    reflections : indexed spots: the columns of `refine`, and intensity_sum for correlations.
    experiments : rotation data of one crystal, or of several of one form, which are refined
        together in each setting; experiments without crystal are left out.
    parameters : see `BravaisParameters`.
    refinement : as for the macrocycles of `index`.

    Returns
    -------
    StepResult
        Experiments and reflections as given, and the table bravais, highest symmetry
        first: solution, acceptable (by DIALS's criteria), recommended (one at most, see
        `recommendation.recommended`), metric_fit (Le Page delta, degrees), rmsd (mm), min_cc and
        max_cc of the intensities under the rotations, n_spots, lattice, unit_cell, volume, cb_op
        (new axes in terms of the old; of the first crystal), space_group. With several crystals
        also bravais_crystals: solution, run, cb_op, unit_cell, rmsd, n_spots. See
        `apply_setting`, and `reindex`, for the next step.

    Raises
    ------
    InputError
        No crystal, or crystals of different forms.
    ConvergenceError
        Not even the triclinic setting can be refined.
    """
    check(reflections, ("experiment", "hkl", "flags"))
    common = common_setting(experiments.crystals)
    table = _indexed(reflections, experiments)
    symmetry = None
    if "intensity_sum" in table:
        reduced, _ = in_setting(table, experiments, common.changes, "P 1")
        symmetry = Correlations(merge_intensities(table, reduced["hkl"], common.reduced))
    some = select(table, np.arange(0, n_rows(table), max(n_rows(table) // SAMPLE, 1)))
    solutions = [
        _solve(setting, common, some, experiments, symmetry, refinement)
        for setting in find_settings(common.reduced, parameters.lepage_max_delta)
    ]
    table_of_all = bravais_table(solutions)
    several = len(experiments.crystals) > 1
    return StepResult(
        experiments=experiments,
        reflections=reflections,
        tables=(table_of_all, *([crystals_table(solutions, experiments)] if several else [])),
        messages=(
            f"{len(solutions)} settings within {parameters.lepage_max_delta:g} degrees"
            + (f", of {len(experiments.crystals)} crystals together" if several else ""),
            recommendation(table_of_all),
        ),
    )


def _indexed(reflections: Reflections, experiments: ExperimentList) -> Reflections:
    """Return the indexed rows of experiments with a crystal."""
    crystal = np.array([m.crystal is not None for m in experiments.members])
    rows = has_flag(reflections, Flag.INDEXED) & crystal[reflections["experiment"]]
    return select(reflections, np.flatnonzero(rows))


def _solve(
    setting: Setting,
    common: CommonSetting,
    some: Reflections,
    experiments: ExperimentList,
    symmetry: Correlations | None,
    refinement: RefinementParameters,
) -> Solution:
    """Return the setting after refinement against some of the spots."""
    changes = tuple(change @ setting.change for change in common.changes)
    table, start = in_setting(some, experiments, changes, setting.space_group)
    lowest, highest = _correlations(setting, symmetry)
    try:
        result = _refined(table, start, for_indexing(refinement))
    except (ConvergenceError, InputError):
        if setting.lattice == "aP":
            raise
        result = None
    rmsd, n = (None, 0) if result is None else rmsd_in_plane(result.reflections)
    return Solution(
        setting=setting, changes=changes, min_cc=lowest, max_cc=highest, rmsd=rmsd, n_spots=n,
        crystals=(start if result is None else result.experiments).crystals,
        of_crystals=_by_crystal(result, experiments),
    )  # fmt: skip


def _by_crystal(
    result: StepResult | None, experiments: ExperimentList
) -> tuple[tuple[float | None, int], ...]:
    """Return rmsd (mm) and number of spots of each crystal."""
    if result is None:
        return ((None, 0),) * len(experiments.crystals)
    crystal = np.array([-1 if m.crystal is None else m.crystal for m in experiments.members])
    of_row = crystal[result.reflections["experiment"]]
    found = []
    for i in range(len(experiments.crystals)):
        mine = select(result.reflections, np.flatnonzero(of_row == i))
        found.append(rmsd_in_plane(mine) if n_rows(mine) else (None, 0))
    return tuple(found)


def _refined(
    table: Reflections, start: ExperimentList, refinement: RefinementParameters
) -> StepResult:
    """Return the last of a few refinements, each of which rejects outliers anew."""
    result = refine(table, start, refinement)
    before = rmsd_in_plane(result.reflections)[0]
    for _ in range(MOST_PASSES - 1):
        result = refine(table, result.experiments, refinement)
        after = rmsd_in_plane(result.reflections)[0]
        if abs(after - before) <= CONVERGED * before:
            break
        before = after
    return result


def _correlations(
    setting: Setting, symmetry: Correlations | None
) -> tuple[float | None, float | None]:
    """Return the smallest and largest correlation under the rotations of a setting."""
    if symmetry is None:
        return None, None
    back = inverse(setting.change)
    values = [
        symmetry.under(setting.change @ w @ back)
        for w in rotations_of(space_group(setting.space_group).operations())
        if not np.array_equal(w, np.eye(3))
    ]
    found = [v for v in values if v is not None]
    return (min(found), max(found)) if found else (None, None)
