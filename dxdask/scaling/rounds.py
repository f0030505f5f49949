"""Rounds of scaling: fit of the scales, outlier rejection and error correction."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import ExperimentList
from dxdask.scaling.delta_cc_half import cc_half
from dxdask.scaling.design import Design
from dxdask.scaling.error_model import ErrorModel, refine_by_experiment, refine_error_model
from dxdask.scaling.expected import expected_of_others, nearest_to_truth
from dxdask.scaling.fit import FitResult, fit_scales, group_means
from dxdask.scaling.free_set import (
    SIGNIFICANT,
    Agreement,
    agreement,
    free_agreement,
    free_sets,
    gain,
    validation_row,
)
from dxdask.scaling.model import ABSORPTION, ScalingModel, absorbing, scaling_model
from dxdask.scaling.observations import Observations
from dxdask.scaling.outliers import outliers_of_groups, too_strong
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.scaled import Scaled
from dxdask.scaling.variables import Variables

_REWEIGHTINGS = 4  # of means by the variances expected from them


def _start(model: ScalingModel, obs: Observations) -> Floats:
    """Return parameters with each experiment's scale at its mean intensity, and nothing else."""
    n = model.n_experiments
    strength = np.bincount(obs.experiment, weights=obs.intensity, minlength=n)
    counts = np.bincount(obs.experiment, minlength=n)
    mean = np.divide(strength, counts, out=np.zeros(n), where=counts > 0)
    log = np.where(mean > 0, np.log(np.where(mean > 0, mean, 1.0)), np.nan)
    log = np.nan_to_num(log, nan=float(np.nanmean(log)) if np.isfinite(log).any() else 0.0)
    return np.where(model.is_level, log[model.owners], 0.0)


def _faint(obs: Observations, g: Floats, cutoff: float) -> NDArray[np.bool_]:
    """Return the observations (n,) whose scale is below `cutoff` times the median of their run."""
    out = np.zeros(len(obs), dtype=np.bool_)
    order = np.argsort(obs.experiment, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(obs.experiment[order])) + 1):
        out[rows] = g[rows] < cutoff * np.median(g[rows])
    return out


def _means(
    obs: Observations, g: Floats, variance: Floats, use: NDArray[np.bool_], errors: ErrorModel
) -> tuple[Floats, Floats]:
    """Return means (n_groups,), and the variances (n,) expected from them, which weight them.

    variance : (n,) to begin with. use : (n,).
    """
    for _ in range(_REWEIGHTINGS):
        weight = np.where(use, 1.0 / variance, 0.0)
        mean, information = group_means(obs.offsets, weight, g, obs.intensity)
        expected = nearest_to_truth(mean, information, obs.d)
        variance = errors.variance(obs, g * expected[obs.group])
    return mean, variance


class _Scaling:
    """State of the rounds of one scaling."""

    def __init__(
        self,
        obs: Observations,
        experiments: ExperimentList,
        group: gemmi.SpaceGroup,
        parameters: ScalingParameters,
        variables: Variables,
        removed: NDArray[np.bool_],
    ):
        self.obs, self.group, self.parameters = obs, group, parameters
        self.variables, self.removed = variables, removed
        self.model = scaling_model(experiments, parameters, float(obs.d.min()))
        self.absorbing = absorbing(experiments, parameters)
        wanted = parameters.physical.absorption
        if wanted != "auto" and wanted != "none" and any(self.absorbing):
            self.model = self.model.with_absorption(self.absorbing, wanted)
        self.design = self.model.design(variables)
        self.errors = self._first_errors()
        self.rows: list[dict[str, Any]] = []
        self.validation: list[dict[str, Any]] = []
        self.costs: list[tuple[float, ...]] = []
        self.outlier = removed.copy()
        self.faint = np.zeros(len(obs), dtype=np.bool_)
        self.whole = obs.partiality >= parameters.reflection_selection.min_partiality
        self.free = self._free_observations()
        self.p = _start(self.model, obs)
        self.target = self.p.copy()
        self.g = self.design.scales(self.p)
        # without a mean yet, the observed intensity is the expected one
        self.mean = np.zeros(len(obs.hkl))
        self.variance = self.errors.variance(obs, np.abs(obs.intensity))

    def _free_observations(self) -> NDArray[np.bool_]:
        options = self.parameters.scaling_options
        if not options.use_free_set:
            return np.zeros(len(self.obs), dtype=np.bool_)
        sets, n = free_sets(self.obs, options.free_set_percentage)
        return np.asarray((sets == options.free_set_offset % n)[self.obs.group])

    def _first_errors(self) -> ErrorModel:
        given = self.parameters.weighting.error_model
        if given.error_model == "None":
            return ErrorModel(a=1.0, b=0.0)
        return ErrorModel(
            a=given.basic.a or 1.0, b=given.basic.b if given.basic.b is not None else ErrorModel().b
        )

    def fit(self) -> None:
        """Fit the scales to the observations that are no outliers, and update the means."""
        weight = self._weights()
        result = self._fit_of(self.model, self.design, weight, self.p, self.target)
        self.p, self.g, self.mean = result.parameters, result.scales, result.means
        self.costs.append(result.costs)
        self._fix_mean_decay(weight)
        self._fix_mean_scale(weight > 0)
        self.average()

    def _weights(self) -> Floats:
        return np.where(self.whole & ~self.outlier & ~self.free, 1.0 / self.variance, 0.0)

    def _fit_of(
        self, model: ScalingModel, design: Design, weight: Floats, start: Floats, target: Floats
    ) -> FitResult:
        refinery = self.parameters.scaling_refinery
        return fit_scales(
            self.obs.offsets,
            weight,
            self.obs.intensity,
            design,
            start,
            owners=model.owners,
            restraint=model.restraint,
            target=target,
            max_iterations=refinery.max_iterations,
            tolerance=refinery.rmsd_tolerance,
        )

    def _fix_mean_decay(self, weight: Floats) -> None:
        """Subtract the mean of all B factors, known up to a constant only.

        The mean is that by weight in the fit, (g <I>)^2 / v: the B factors are relative to the data
        that determine them best.
        """
        decay = self.model.of("decay", self.p)
        if not decay:
            return
        first = len(self.model.components[0].owners)
        last = first + sum(map(len, decay))
        s2 = 1.0 / (2.0 * self.variables.d**2)
        only = np.zeros_like(self.p)
        only[first:last] = self.p[first:last]
        b = np.log(self.design.scales(only)) / s2
        information = weight * (self.g * self.mean[self.obs.group]) ** 2
        if information.sum() > 0.0:
            shift = float((information * b).sum() / information.sum())
            self.p[first:last] -= shift
            self.g *= np.exp(-shift * s2)

    def _fix_mean_scale(self, used: NDArray[np.bool_]) -> None:
        """Divide all scales, known up to a factor only, by their mean."""
        if used.any():
            shift = float(np.log(self.g[used].mean()))
            self.p[self.model.is_level] -= shift
            self.target[self.model.is_level] -= shift
            self.g *= np.exp(-shift)

    def choose_absorption(self) -> None:
        """Add absorption of the level that explains observations that are left out of the fit."""
        if self.parameters.physical.absorption != "auto" or not any(self.absorbing):
            return
        best, tested = self._validate(self.model, "none")
        for level in ABSORPTION:
            model = self.model.with_absorption(self.absorbing, level)
            found, _ = self._validate(model, level)
            self.validation[-1]["gain"] = gain(best, found, tested)
            if self.validation[-1]["gain"] < SIGNIFICANT:
                break
            best, chosen = found, model
            self._set_model(chosen)

    def _validate(self, model: ScalingModel, name: str) -> tuple[Agreement, NDArray[np.bool_]]:
        design = model.design(self.variables)
        more = np.zeros(len(model.owners))
        start, target = more.copy(), more
        start[: len(self.p)], target[: len(self.p)] = self.p[: len(more)], self.target[: len(more)]

        def fit(weight: Floats) -> Floats:
            return self._fit_of(model, design, weight, start, target).scales

        percentage = self.parameters.scaling_options.free_set_percentage
        found, tested, work = free_agreement(self.obs, self._weights(), fit, percentage)
        row = validation_row(name, len(more), found, tested)
        self.validation.append({**row, "r_meas_work": work, "gain": None})
        return found, tested

    def _set_model(self, model: ScalingModel) -> None:
        old, self.model = self.p, model
        self.design = model.design(self.variables)
        n = min(len(old), len(model.owners))
        self.p, target = np.zeros(len(model.owners)), np.zeros(len(model.owners))
        self.p[:n], target[:n] = old[:n], self.target[:n]
        self.target = target

    def average(self) -> None:
        """Update means and variances, from the observations that are no outliers."""
        self.mean, self.variance = _means(
            self.obs, self.g, self.variance, ~self.outlier, self.errors
        )

    def choose(self) -> None:
        """Combine summed and fitted intensities for the expected intensity of each observation."""
        both = self.obs.estimates
        if (both.has_sum & both.has_fit).any():
            self.obs = self.obs.combined(
                expected_of_others(self.obs, self.g, self.variance, self.outlier)
            )
            self.average()

    def reject(self) -> None:
        """Find the outliers among all observations, and those of too small a scale."""
        options = self.parameters.scaling_options
        self.faint = _faint(self.obs, self.g, self.parameters.cut_data.small_scale_cutoff)
        self.outlier = self.faint | self.removed
        if options.outlier_rejection != "None":
            self.outlier |= too_strong(
                self.obs,
                self.g,
                ~self.outlier,
                self.group,
                e_max=options.emax,
                z_max=options.outlier_zmax,
            )
            self.outlier |= outliers_of_groups(
                self.obs, self.g, ~self.outlier, self.errors, z_max=options.outlier_zmax
            )
        self.average()

    def free_set(self) -> list[dict[str, Any]]:
        """Return the rows of the agreement of work and free set, where one is left out."""
        if not self.free.any():
            return []
        weight = np.where(self.outlier, 0.0, 1.0 / self.variance)
        found, scaled = agreement(self.obs, weight, self.g), self.obs.intensity / self.g
        of_group = self.free[self.obs.offsets[:-1]]
        return [
            {
                "set": name,
                "n_obs": int(found.n[groups].sum()),
                "n_unique": int((found.n[groups] > 0).sum()),
                "r_meas": found.r_meas(groups),
                "cc_half": cc_half(self.obs, scaled, groups[self.obs.group] & ~self.outlier),
            }
            for name, groups in (("work", ~of_group), ("free", of_group))
        ]

    def correct_errors(self) -> None:
        """Refine the error model."""
        given = self.parameters.weighting.error_model
        if given.error_model == "None":
            return
        weight = np.where(self.outlier, 0.0, 1.0 / self.variance)
        self.errors, self.rows = refine_error_model(
            self.obs, weight=weight, g=self.g, mean=self.mean, parameters=given.basic
        )
        if given.grouping == "individual":
            self.errors = refine_by_experiment(
                self.obs,
                self.errors,
                weight=weight,
                g=self.g,
                mean=self.mean,
                parameters=given.basic,
                n_experiments=self.model.n_experiments,
            )
        self.average()


def scale_observations(
    obs: Observations,
    experiments: ExperimentList,
    group: gemmi.SpaceGroup,
    parameters: ScalingParameters,
    variables: Variables,
    removed: NDArray[np.bool_] | None = None,
) -> Scaled:
    """Return the observations scaled, in the order of rounds of dials.scale.

    Fit, reject, fit, reject, errors, reject, fit, reject, errors; the level of absorption is chosen
    after the first outliers are known.

    variables : of the observations, with what `needs_of` names.
    removed : (n,) observations that are excluded; None for none.
    """
    removed = np.zeros(len(obs), dtype=np.bool_) if removed is None else removed
    run = _Scaling(obs, experiments, group, parameters, variables, removed)
    run.fit()
    run.choose()
    run.reject()
    run.choose_absorption()
    run.fit()
    run.choose()
    run.reject()
    run.correct_errors()
    run.reject()
    run.fit()
    run.reject()
    run.correct_errors()
    return Scaled(
        observations=run.obs,
        model=run.model,
        parameters=run.p,
        g=run.g,
        mean=run.mean,
        variance=run.variance,
        outlier=run.outlier & ~run.faint & ~removed,
        faint=run.faint & ~removed,
        removed=removed,
        error_model=run.errors,
        error_rows=run.rows,
        costs=tuple(run.costs),
        validation=run.validation,
        free_set=run.free_set(),
    )
