"""Refinement of the crystal in every Bravais setting that its lattice allows."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.correlation import Correlations, merge_intensities
from dxdask.indexing.known_symmetry import cell_text
from dxdask.indexing.lattice_symmetry import Setting, find_settings
from dxdask.indexing.parameters import BravaisParameters
from dxdask.indexing.reduction import changed, inverse, niggli_change
from dxdask.indexing.refinement_settings import for_indexing
from dxdask.indexing.setting import axes_text, in_setting, only_crystal
from dxdask.models import Crystal, ExperimentList, space_group
from dxdask.models.metric import rotations_of
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.summary import rmsd_in_plane
from dxdask.results import StepResult
from dxdask.tables import Table

SAMPLE = 10_000
MOST_PASSES = 4
CONVERGED = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class _Solution:
    """A setting after refinement; `change` is the basis change (3, 3) from the crystal given."""

    setting: Setting
    change: Floats
    cell: str
    volume: float
    rmsd: float | None
    n_spots: int
    min_cc: float | None
    max_cc: float | None


def refine_bravais_settings(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: BravaisParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Refine an indexed crystal in every setting that its lattice allows.

    Parameters
    ----------
    reflections : indexed spots: the columns of `refine`, and intensity_sum for correlations.
    experiments : rotation data that share one crystal.
    parameters : see `BravaisParameters`.
    refinement : as for the macrocycles of `index`.

    Returns
    -------
    StepResult
        Experiments and reflections as given, and the table bravais, highest symmetry
        first: solution, metric_fit (Le Page delta, degrees), rmsd (mm), min_cc and max_cc of the
        intensities under the rotations, n_spots, lattice, unit_cell, volume, cb_op (new axes in
        terms of the old), space_group, acceptable (by DIALS's criteria), recommended (acceptable,
        and its symmetry is no part of that of another acceptable one). See `apply_setting` for the
        next step.

    Raises
    ------
    InputError
        No crystal, or more than one.
    ConvergenceError
        Not even the triclinic setting can be refined.
    """
    check(reflections, ("experiment", "hkl", "flags"))
    crystal = only_crystal(experiments)
    to_reduced = _to_reduced(crystal)
    indexed = np.flatnonzero(has_flag(reflections, Flag.INDEXED))
    table = select(reflections, indexed)
    symmetry = None
    if "intensity_sum" in table:
        hkl = np.rint(table["hkl"] @ to_reduced).astype(np.int64)
        symmetry = Correlations(merge_intensities(table, hkl))
    some = select(table, np.arange(0, n_rows(table), max(n_rows(table) // SAMPLE, 1)))
    solutions = []
    for setting in find_settings(changed(crystal.a, to_reduced), parameters.lepage_max_delta):
        total = to_reduced @ setting.change
        solutions.append(_solve(setting, total, some, experiments, symmetry, refinement))
    table_of_all = _bravais_table(solutions)
    return StepResult(
        experiments=experiments,
        reflections=reflections,
        tables=(table_of_all,),
        messages=(
            f"{len(solutions)} settings within {parameters.lepage_max_delta:g} degrees",
            _recommendation(table_of_all),
        ),
    )


def _to_reduced(crystal: Crystal) -> Floats:
    """Return the basis change (3, 3) from the crystal's cell to the reduced primitive one."""
    op = crystal.gemmi_space_group.centred_to_primitive()
    to_primitive = np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN
    return to_primitive @ niggli_change(changed(crystal.a, to_primitive))


def _solve(
    setting: Setting,
    change: Floats,
    some: Reflections,
    experiments: ExperimentList,
    symmetry: Correlations | None,
    refinement: RefinementParameters,
) -> _Solution:
    """Return the setting after refinement against some of the spots."""
    table, start = in_setting(some, experiments, change, setting.space_group)
    lowest, highest = _correlations(setting, symmetry)
    try:
        result = _refined(table, start, for_indexing(refinement))
    except (ConvergenceError, InputError):
        if setting.lattice == "aP":
            raise
        result = None
    crystal = (start if result is None else result.experiments).crystals[0]
    rmsd, n = (None, 0) if result is None else rmsd_in_plane(result.reflections)
    return _Solution(
        setting=setting, change=change, cell=cell_text(crystal.a), rmsd=rmsd, n_spots=n,
        volume=float(crystal.gemmi_cell.volume), min_cc=lowest, max_cc=highest,
    )  # fmt: skip


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


def is_acceptable(
    *, metric_fit: float, rmsd: float | None, min_cc: float | None, rmsd_p1: float
) -> bool:
    """Return true if a setting fits about as well as the triclinic one (DIALS's criteria).

    The closer the metric, and the higher the correlation, the larger an rmsd is accepted.
    """
    if rmsd is None:
        return False
    if metric_fit < 0.5:
        return not ((min_cc is None or min_cc < 0.5) and rmsd > 1.5 * rmsd_p1)
    if min_cc is None or min_cc < 0.7:
        return rmsd <= 2.0 * rmsd_p1
    return rmsd <= 3.0 * rmsd_p1


def _bravais_table(solutions: list[_Solution]) -> Table:
    """Return the settings as DIALS lists them."""
    rmsd_p1 = solutions[-1].rmsd or 0.0
    acceptable = [
        is_acceptable(metric_fit=s.setting.delta, rmsd=s.rmsd, min_cc=s.min_cc, rmsd_p1=rmsd_p1)
        for s in solutions
    ]
    groups = [s.setting.rotations for s, good in zip(solutions, acceptable, strict=True) if good]
    rows = []
    for i, (s, good) in enumerate(zip(solutions, acceptable, strict=True)):
        highest = good and not any(s.setting.rotations < group for group in groups)
        rows.append({
            "solution": len(solutions) - i, "acceptable": good, "recommended": highest,
            "metric_fit": s.setting.delta,
            "rmsd": s.rmsd, "min_cc": s.min_cc, "max_cc": s.max_cc, "n_spots": s.n_spots,
            "lattice": s.setting.lattice, "unit_cell": s.cell, "volume": s.volume,
            "cb_op": axes_text(s.change), "space_group": s.setting.space_group,
        })  # fmt: skip
    headings = {
        "solution": ("Solution", ""),
        "acceptable": ("Acceptable", ""),
        "recommended": ("Recommended", ""),
        "metric_fit": ("Metric fit", ".4f"),
        "rmsd": ("rmsd", ".3f"),
        "min_cc": ("min cc", ".3f"),
        "max_cc": ("max cc", ".3f"),
        "n_spots": ("#spots", ""),
        "volume": ("volume", ".0f"),
    }
    title = "Settings that the lattice allows (rmsd in mm)"
    return Table(name="bravais", title=title, rows=rows, headings=headings)


def _recommendation(table: Table) -> str:
    """Return the message that names the settings to take."""
    chosen = [
        f"{r['solution']} ({r['lattice']}, {r['space_group']})"
        for r in table.rows
        if r["recommended"]
    ]
    n = sum(bool(r["acceptable"]) for r in table.rows)
    return (
        f"{n} of {len(table.rows)} settings fit as well as the triclinic one; recommended, as the "
        f"highest symmetry among them: {' or '.join(chosen) or 'none'}"
    )
