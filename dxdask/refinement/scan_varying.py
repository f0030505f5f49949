"""Choice of the crystals that vary along their scans, and of the intervals of their smoothers.

Fits with different intervals are compared by reflections that they leave out: the normal equations
of five parts of the reflections give the fit to any four of them, and the misfit of the fifth
(k-fold cross-validation; Stone 1974, J. R. Stat. Soc. B36, 111). Being sums, they are accumulated
once for each interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers, Mask
from dxdask.columns import Reflections
from dxdask.geometry.required import require_rotation
from dxdask.models import Experiment, ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.refinement.least_squares.equations import CrystalBlock, scaled_solution
from dxdask.refinement.least_squares.rows import Rows
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.parameterise import FreeModels, free_models
from dxdask.refinement.parameters import Parameterisation, RefinementParameters
from dxdask.refinement.problem import Problem
from dxdask.refinement.sweeps import SMOOTHNESS, sweep_rows
from dxdask.tables import Table

FOLDS = 5
WIDTHS = (144.0, 72.0, 36.0, 24.0, 18.0, 12.0, 9.0)
"""Widths of intervals that are compared, degrees; a scan has whole numbers of them. The least is
that of DIALS: a few images hardly determine all axes of a crystal."""
USUAL_WIDTH = 36.0
"""Of DIALS, degrees; kept where no other predicts left-out reflections better."""
FEWEST_IMAGES = 10
"""Spots of a single image have its centre as z, wherever they are in it: on few images predictions
would be fitted to that."""
DRIFTS, SIGNIFICANT = 2.5, 2.0
"""Standard errors by which left-out reflections must be predicted better by a crystal that varies,
and by other intervals than the usual ones (after the rule of one standard error: Breiman, Friedman,
Olshen & Stone 1984, Classification and Regression Trees)."""
LEAST_DRIFT, LEAST_GAIN = 0.02, 0.002
"""The same as parts of chi squared. Systematic errors of centroids, as of spots of one image, are
the same in all parts of the reflections: a crystal that varies may fit a hundredth of them."""
ABOVE_ROUNDING = 1e-6
"""Chi squared of residuals that are none."""


class VaryingCrystals(NamedTuple):
    """Crystals that are to vary along their scans.

    Attributes
    ----------
    experiments : with a crystal of its own for each scan along which one varies.
    smoothers : of these crystals, by index. table : of the intervals that were compared.
    """

    experiments: ExperimentList
    smoothers: Mapping[int, Smoother]
    table: Table


class _Tried(NamedTuple):
    """A smoother, and the mean chi squared (folds,) of left-out reflections, x, y and phi."""

    smoother: Smoother
    misfit: Floats


def varying_crystals(
    table: Reflections,
    experiments: ExperimentList,
    parameters: RefinementParameters,
    used: Integers,
    entering: Mask,
) -> VaryingCrystals:
    """Return the crystals that are to vary along their scans, and their smoothers.

    table : indexed reflections. experiments : refined with static crystals, or with varying ones
    to start from. used : rows of the table that were refined against. entering : of all rows, the
    side of the Ewald sphere.
    """
    wanted = parameters.parameterisation
    members, crystals = list(experiments.members), list(experiments.crystals)
    uses = [m.crystal for m in members]
    smoothers: dict[int, Smoother] = {}
    lines: list[dict[str, Any]] = []
    for i, e in enumerate(experiments):
        mine = used[table["experiment"][used] == i]
        place = members[i].crystal
        if place is None or not _may_vary(e, wanted, len(mine)):
            continue
        alone = ExperimentList.of([e])
        part = {**table, "experiment": np.where(table["experiment"] == i, 0, -1)}
        strategy = parameters.reflections.weighting_strategy
        compared = _smoothers(e, table["phi_rad"][mine], wanted, len(mine))
        models = [free_models(alone, wanted, {0: smoother}) for smoother in compared]
        # the scan points are those of the images, whatever smooths them
        rows = sweep_rows(part, alone, models[0].crystals, mine, entering, strategy)
        tried = [
            _Tried(smoother, left_out_misfits(*_alone(alone, m, rows)))
            for smoother, m in zip(compared, models, strict=True)
        ]
        best = _best(tried, e)
        lines += _lines(e, tried, best)
        if best.n_intervals == 0:
            continue
        if uses.count(place) > 1:
            crystals.append(crystals[place])
            members[i] = replace(members[i], crystal=len(crystals) - 1)
            place = len(crystals) - 1
        smoothers[place] = best
    new = replace(experiments, members=tuple(members), crystals=tuple(crystals))
    new, smoothers = _used(new, smoothers)
    return VaryingCrystals(new, smoothers, _table(lines))


def _alone(
    experiments: ExperimentList, models: FreeModels, rows: Rows
) -> tuple[Problem, ModelState]:
    """Return the problem of a crystal, with nothing else free, and its start."""
    layout = replace(models, shared=()).layout
    problem = Problem(
        rows=rows, layout=layout, n_points=models.crystals.n_points, smoothness=SMOOTHNESS
    )
    return problem, ModelState.of(experiments, models.crystals, layout)


def _used(
    experiments: ExperimentList, smoothers: Mapping[int, Smoother]
) -> tuple[ExperimentList, dict[int, Smoother]]:
    """Return the experiments without crystals that no member has any longer."""
    kept = sorted({m.crystal for m in experiments.members if m.crystal is not None})
    place = {old: new for new, old in enumerate(kept)}
    members = tuple(
        m if m.crystal is None else replace(m, crystal=place[m.crystal])
        for m in experiments.members
    )
    crystals = tuple(experiments.crystals[k] for k in kept)
    found = {place[k]: s for k, s in smoothers.items()}
    return replace(experiments, members=members, crystals=crystals), found


def _may_vary(experiment: Experiment, wanted: Parameterisation, n: int) -> bool:
    if wanted.scan_varying is False or wanted.crystal.fix == "all":
        return False
    scan = require_rotation(experiment).scan
    return (
        scan.n_images >= FEWEST_IMAGES and n >= 2 * 9 * wanted.auto_reduction.min_nref_per_parameter
    )


def _smoothers(
    experiment: Experiment, phi: Floats, wanted: Parameterisation, n: int
) -> list[Smoother]:
    """Return the smoothers to compare: of one interval width if it is given, else of several.

    phi : (n,) observed angles, rad.
    """
    scan = require_rotation(experiment).scan
    z = scan.z_from_phi(phi)
    first, last = (float(x) for x in scan.array_range)
    if wanted.trim_scan_to_observations:
        first, last = float(z.min()), float(z.max())
    width = max(last - first, 1.0)
    total = width * abs(scan.oscillation[1])
    given = wanted.interval_width_degrees
    widths = WIDTHS if given == "auto" else (given,)
    counts = sorted({max(round(total / w), 1) for w in widths})
    most = n / (9 * wanted.auto_reduction.min_nref_per_parameter)
    counts = [c for c in counts if c + 2 <= most or c == counts[0]]
    if wanted.scan_varying == "auto":
        counts = [0, *counts]
    return [Smoother(start=first, width=width, n_intervals=c) for c in counts]


def left_out_misfits(problem: Problem, state: ModelState) -> Floats:
    """Return the mean chi squared (folds,) of the reflections that a fit to the others leaves out.

    problem : of one crystal, nothing else free. Reflections are left out in turn, every fifth.
    """
    folds = [problem_of(problem, slice(k, None, FOLDS)).equations(state) for k in range(FOLDS)]
    blocks: list[CrystalBlock] = [f.blocks[0] for f in folds]
    matrix = sum((b.matrix[0] for b in blocks), np.zeros_like(blocks[0].matrix[0]))
    right = sum((b.right[0] for b in blocks), np.zeros_like(blocks[0].right[0]))
    out = np.empty(FOLDS)
    for k, (fold, block) in enumerate(zip(folds, blocks, strict=True)):
        own, pull = block.matrix[0], block.right[0]
        step = scaled_solution(matrix - own, right - pull)
        chi2 = 2.0 * fold.objective - 2.0 * float(step @ pull) + float(step @ own @ step)
        out[k] = chi2 / (3 * fold.n)
    return out


def problem_of(problem: Problem, rows: slice) -> Problem:
    """Return the problem with some of the rows."""
    taken: Rows = problem.rows.taken(rows)
    return replace(problem, rows=taken)


def _best(tried: Sequence[_Tried], experiment: Experiment) -> Smoother:
    """Return the first smoother that predicts left-out reflections as well as any.

    A static crystal comes first, intervals of about `USUAL_WIDTH` next, then the fewest.
    """
    best = min(tried, key=lambda t: float(t.misfit.mean()))
    image = abs(require_rotation(experiment).scan.oscillation[1])

    def place(t: _Tried) -> tuple[bool, float, int]:
        n = t.smoother.n_intervals
        usual = max(round(t.smoother.width * image / USUAL_WIDTH), 1)
        return n > 0, n != usual, n

    for t in sorted(tried, key=place):
        gain = t.misfit - best.misfit
        error = gain.std(ddof=1) / np.sqrt(FOLDS)
        varies = t.smoother.n_intervals > 0
        times, part = (SIGNIFICANT, LEAST_GAIN) if varies else (DRIFTS, LEAST_DRIFT)
        if gain.mean() <= max(times * error, part * t.misfit.mean(), ABOVE_ROUNDING):
            return t.smoother
    return best.smoother


def _lines(experiment: Experiment, tried: Sequence[_Tried], best: Smoother) -> list[dict[str, Any]]:
    width = abs(require_rotation(experiment).scan.oscillation[1])
    return [
        {
            "run": experiment.run,
            "n_intervals": t.smoother.n_intervals,
            "interval_width_degrees": (
                t.smoother.width * width / t.smoother.n_intervals
                if t.smoother.n_intervals
                else None
            ),
            "left_out_chi2": float(t.misfit.mean()),
            "left_out_chi2_su": float(t.misfit.std(ddof=1) / np.sqrt(FOLDS)),
            "taken": t.smoother is best,
        }
        for t in tried
    ]


def _table(rows: list[dict[str, Any]]) -> Table:
    headings = {
        "run": ("Run", ""),
        "n_intervals": ("Intervals", ""),
        "interval_width_degrees": ("Width\n(degree)", ".1f"),
        "left_out_chi2": ("chi squared of\nleft-out reflections", ".4f"),
        "left_out_chi2_su": ("su", ".4f"),
        "taken": ("Taken", ""),
    }
    title = "Intervals of crystals along their scans (0: static)"
    return Table(name="intervals", title=title, rows=rows, headings=headings)
