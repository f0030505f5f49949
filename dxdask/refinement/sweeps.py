"""Least squares of sweeps: the problem, and the models at its minimum."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers, Mask
from dxdask.columns import Reflections, select
from dxdask.models import Crystal, ExperimentList
from dxdask.models.crystal import cell_of
from dxdask.models.vectors import matrix
from dxdask.refinement.geometry import first_panels
from dxdask.refinement.least_squares.determined import check_equations
from dxdask.refinement.least_squares.equations import Covariance, Equations, covariance
from dxdask.refinement.least_squares.local import N_CRYSTAL, STRAIN
from dxdask.refinement.least_squares.minimise import Cycle, minimise
from dxdask.refinement.least_squares.rows import Rows
from dxdask.refinement.models.beams import rows_of_beams
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.parameterise import FreeModels
from dxdask.refinement.parameters import Refinery, WeightingStrategy
from dxdask.refinement.problem import Problem, points_of
from dxdask.refinement.selection import weights

SMOOTHNESS = np.array([0.01] * STRAIN + [0.01] * (N_CRYSTAL - STRAIN)) ** -2
"""Inverse variances of differences of neighbouring points, rad and strain: far weaker than a few
reflections, so that only points without any are held by it."""


class SweepFit(NamedTuple):
    """Models at the minimum.

    Attributes
    ----------
    models, state, equations : the free parameters, the models there, and the normal equations.
    covariance : of the parameters. cycles : of the minimisation. reason : of its end, in words.
    """

    models: FreeModels
    state: ModelState
    equations: Equations
    covariance: Covariance
    cycles: tuple[Cycle, ...]
    reason: str

    @property
    def experiments(self) -> ExperimentList:
        """The refined models."""
        crystals = tuple(
            self._crystal(k, old) for k, old in enumerate(self.models.experiments.crystals)
        )
        return replace(self.state.experiments, crystals=crystals)

    def _crystal(self, index: int, old: Crystal) -> Crystal:
        points, crystals = self.state.crystals.points_of(index), self.state.crystals
        varies = crystals.n_points[index] > 1
        return replace(
            old,
            a_matrix=old.a_matrix if varies else matrix(points[0]),
            scan_points=tuple(matrix(a) for a in points) if varies else None,
            cell_su=self._cell_su(index, points),
        )

    def _cell_su(self, index: int, points: Floats) -> tuple[float, ...] | None:
        """Return the standard uncertainties of the cell, or of its mean along the scan."""
        free, crystals = self.models.crystal_free[index], self.state.crystals
        strains = [i for i, k in enumerate(free) if k >= STRAIN]
        if not strains:
            return None
        spread = self.covariance.of_crystal(index)
        rows = slice(crystals.first[index], crystals.first[index + 1])
        mean = np.zeros(int(crystals.n_points[index]))
        for j in range(min(3, len(mean))):
            np.add.at(mean, crystals.nearest[rows] + j, crystals.shares[rows, j] / len(points))
        to_mean = np.zeros((len(strains), len(spread)))
        for i, place in enumerate(strains):
            to_mean[i, place :: len(free)] = mean
        forms = crystals.forms[crystals.form[index]][[free[i] - STRAIN for i in strains]]
        slopes = _cell_slopes(points[len(points) // 2], forms) @ to_mean
        variances = np.einsum("ij,jk,ik->i", slopes, spread, slopes)
        return tuple(float(v) for v in np.sqrt(np.maximum(variances, 0.0)))


def _cell_slopes(a: Floats, forms: Floats) -> Floats:
    """Return the derivatives (6, k) of the cell, A and degree, by strains T_k (k, 3, 3)."""
    h, out = 1e-6, np.empty((6, len(forms)))
    for k, form in enumerate(forms):
        up, down = cell_of(a @ (np.eye(3) + h * form)), cell_of(a @ (np.eye(3) - h * form))
        out[:, k] = np.subtract(up, down) / (2 * h)
    # angles that symmetry fixes change by rounding only
    out[np.abs(out) < 1e-6] = 0.0
    return out


def sweep_rows(
    table: Reflections,
    experiments: ExperimentList,
    crystals: Crystals,
    used: Integers,
    entering: Mask,
    strategy: WeightingStrategy | None = None,
) -> Rows:
    """Return the reflections of rows `used` (n,) of a table, in order of crystal and angle.

    entering : of all rows of the table, the side of the Ewald sphere. strategy : of the weights;
    None: they are 1.
    """
    members = experiments.members
    of_crystal = np.array([-1 if m.crystal is None else m.crystal for m in members])
    order = np.lexsort(
        (*table["hkl"][used].T, table["phi_rad"][used], table["experiment"][used],
         of_crystal[table["experiment"][used]])
    )  # fmt: skip
    used = used[order]
    part = select(table, used)
    experiment = part["experiment"].astype(np.int64)
    crystal = of_crystal[experiment].astype(np.int64)
    offset = np.zeros(len(used))
    for i, e in enumerate(experiments):
        mine = experiment == i
        if e.scan is not None:
            offset[mine] = e.scan.z_from_phi(part["phi_rad"][mine]) - e.scan.array_range[0]
    point, fraction = points_of(crystals, crystal, offset)
    beam_point, beam_part = rows_of_beams(experiments, experiment, offset) or (None, None)
    firsts = first_panels(experiments)[[m.detector for m in members]]
    return Rows(
        hkl=part["hkl"].astype(np.float64),
        crystal=crystal,
        experiment=experiment,
        panel=(firsts[experiment] + part["panel"]).astype(np.int64),
        observed=np.column_stack([part[k] for k in ("x_mm", "y_mm", "phi_rad")]),
        weights=np.ones((len(used), 3)) if strategy is None else weights(part, strategy),
        point=point,
        part=fraction,
        entering=entering[used],
        beam_point=beam_point,
        beam_part=beam_part,
    )


def fit_sweeps(models: FreeModels, rows: Rows, refinery: Refinery) -> SweepFit:
    """Return the models that fit the reflections best.

    Raises
    ------
    ConvergenceError
        Parameters are not determined by the reflections, or none is predicted.
    """
    layout = models.layout
    problem = Problem(
        rows=rows, layout=layout, n_points=models.crystals.n_points, smoothness=SMOOTHNESS
    )
    start = ModelState.of(models.experiments, models.crystals, layout)
    names = [layout.names_of(k, int(n)) for k, n in enumerate(models.crystals.n_points)]
    check_equations(problem.equations(start), layout.names, names)
    end = minimise(
        problem.equations,
        problem.move,
        start,
        engine=refinery.engine,
        max_iterations=refinery.max_iterations,
    )
    check_equations(end.equations, layout.names, names)
    freedom = max(3 * end.equations.n - models.n_parameters, 1)
    return SweepFit(
        models=models,
        state=end.state,
        equations=end.equations,
        covariance=covariance(end.equations, 2.0 * end.equations.objective / freedom),
        cycles=end.cycles,
        reason=end.reason,
    )
