"""Rounds of scaling: fit of the scales, outlier rejection and error correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import ExperimentList
from dxdask.scaling.absorption_level import choose_absorption
from dxdask.scaling.error_model import ErrorModel, refine_by_experiment, refine_error_model
from dxdask.scaling.expected import expected_means, expected_of_others
from dxdask.scaling.fitted_model import FittedModel
from dxdask.scaling.free_set import free_set_rows, free_sets
from dxdask.scaling.model import absorbing, scaling_model
from dxdask.scaling.observations import Observations
from dxdask.scaling.outliers import outliers_of_groups, too_strong
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.reference import ReferenceRows, reference_rows
from dxdask.scaling.scaled import Scaled
from dxdask.scaling.start import faint
from dxdask.scaling.variables import Variables

if TYPE_CHECKING:
    from dxdask.reindex import Reference


class _Rounds:
    """State of the rounds of one scaling."""

    def __init__(
        self,
        obs: Observations,
        experiments: ExperimentList,
        group: gemmi.SpaceGroup,
        parameters: ScalingParameters,
        variables: Variables,
        removed: NDArray[np.bool_],
        reference: ReferenceRows | None,
    ):
        self.obs, self.group, self.parameters = obs, group, parameters
        self.removed = removed
        model = scaling_model(experiments, parameters, float(obs.d.min()))
        self.absorbing = absorbing(experiments, parameters)
        wanted = parameters.physical.absorption
        if wanted != "auto" and wanted != "none" and any(self.absorbing):
            model = model.with_absorption(self.absorbing, wanted)
        self.fitted = FittedModel(model, obs, variables, parameters.scaling_refinery, reference)
        self.errors = self._first_errors()
        self.rows: list[dict[str, Any]] = []
        self.validation: list[dict[str, Any]] = []
        self.outlier = removed.copy()
        self.faint = np.zeros(len(obs), dtype=np.bool_)
        self.whole = obs.partiality >= parameters.reflection_selection.min_partiality
        self.free = self._free_observations()
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
        self.mean = self.fitted.fit(self.obs, self._weights())
        self.average()

    @property
    def g(self) -> Floats:
        """Scales (n,) of the observations."""
        return self.fitted.scales

    def _weights(self) -> Floats:
        return np.where(self.whole & ~self.outlier & ~self.free, 1.0 / self.variance, 0.0)

    def choose_absorption(self) -> None:
        """Add absorption of the level that explains observations that are left out of the fit."""
        if self.parameters.physical.absorption == "auto" and any(self.absorbing):
            self.validation = choose_absorption(
                self.fitted,
                self.obs,
                self._weights(),
                self.absorbing,
                self.parameters.scaling_options.free_set_percentage,
            )

    def average(self) -> None:
        """Update means and variances, from the observations that are no outliers."""
        self.mean, self.variance = expected_means(
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
        self.faint = faint(self.obs, self.g, self.parameters.cut_data.small_scale_cutoff)
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
                n_experiments=self.fitted.model.n_experiments,
            )
        self.average()


def scale_observations(
    obs: Observations,
    experiments: ExperimentList,
    group: gemmi.SpaceGroup,
    parameters: ScalingParameters,
    variables: Variables,
    removed: NDArray[np.bool_] | None = None,
    reference: Reference | None = None,
) -> Scaled:
    """Return the observations scaled, in the order of rounds of dials.scale.

    Fit, reject, fit, reject, errors, reject, fit, reject, errors; the level of absorption is chosen
    after the first outliers are known.

    variables : of the observations, with what `needs_of` names.
    removed : (n,) observations that are excluded; None for none.
    reference : intensities that are scaled against; None for the equivalents alone.
    """
    removed = np.zeros(len(obs), dtype=np.bool_) if removed is None else removed
    rows = None if reference is None else reference_rows(obs, reference, group)
    run = _Rounds(obs, experiments, group, parameters, variables, removed, rows)
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
        model=run.fitted.model,
        parameters=run.fitted.parameters,
        g=run.g,
        mean=run.mean,
        variance=run.variance,
        outlier=run.outlier & ~run.faint & ~removed,
        faint=run.faint & ~removed,
        removed=removed,
        error_model=run.errors,
        error_rows=run.rows,
        costs=tuple(run.fitted.costs),
        validation=run.validation,
        free_set=free_set_rows(
            run.obs, np.where(run.outlier, 0.0, 1.0 / run.variance), run.g, run.free
        ),
    )
