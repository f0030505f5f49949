"""The scaling model of observations with its parameters, fitted again in each round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.scaling.design import Design
from dxdask.scaling.fit import FitResult, fit_scales
from dxdask.scaling.gauge import log_mean_scale, without_mean_decay
from dxdask.scaling.model import ScalingModel
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import ScalingRefineryParameters
from dxdask.scaling.reference import ReferenceRows
from dxdask.scaling.start import start_of
from dxdask.scaling.variables import Variables


class FittedModel:
    """The scaling model of n observations.

    Attributes
    ----------
    model, design : components, and the derivatives of the observations by their m parameters.
    parameters, target : (m,) of log g, and what the restraints draw them to.
    scales : (n,) g.
    costs : the costs of each fit, step by step.
    """

    def __init__(
        self,
        model: ScalingModel,
        obs: Observations,
        variables: Variables,
        refinery: ScalingRefineryParameters,
        reference: ReferenceRows | None,
    ) -> None:
        self.variables, self.refinery, self.reference = variables, refinery, reference
        self.model = model
        self.design = model.design(variables)
        self.parameters = start_of(model, obs, 1.0 if reference is None else reference.mean)
        self.target = self.parameters.copy()
        self.scales = self.design.scales(self.parameters)
        self.costs: list[tuple[float, ...]] = []

    def fit(self, obs: Observations, weight: Floats) -> Floats:
        """Fit the scales to observations of these weights (n,); return the means (n_groups,)."""
        found = self.fit_of(
            self.model, self.design, obs, weight, start=self.parameters, target=self.target
        )
        self.parameters, self.scales = found.parameters, found.scales
        self.costs.append(found.costs)
        if self.reference is None:
            self._fix_means(obs, weight, found.means)
        return found.means

    def _fix_means(self, obs: Observations, weight: Floats, means: Floats) -> None:
        """Set the mean B factor to 0 and the mean scale to 1, which data do not determine."""
        information = weight * (self.scales * means[obs.group]) ** 2
        self.parameters, factor = without_mean_decay(
            self.model, self.design, self.variables, self.parameters, information
        )
        self.scales *= factor
        shift = log_mean_scale(self.scales, weight > 0)
        self.parameters[self.model.is_level] -= shift
        self.target[self.model.is_level] -= shift
        self.scales *= np.exp(-shift)

    def fit_of(
        self,
        model: ScalingModel,
        design: Design,
        obs: Observations,
        weight: Floats,
        *,
        start: Floats,
        target: Floats,
        near: FitResult | None = None,
    ) -> FitResult:
        """Return the fit of a model, which may be another one, and leave this one as it is.

        near : fit to much the same weights, whose parameters are `start`: one step is taken from
            it. Where few observations are left out that is all: what it leaves is of second order
            in what they change.
        """
        extra = self.reference
        offsets, intensity = obs.offsets, obs.intensity
        if extra is not None:
            offsets, design = extra.offsets, extra.design(design)
            weight = extra.joined(weight, extra.weight)
            intensity = extra.joined(intensity, extra.intensity)
        found = fit_scales(
            offsets,
            weight,
            intensity,
            design,
            start,
            owners=model.owners,
            restraint=model.restraint,
            target=target,
            max_iterations=self.refinery.max_iterations if near is None else 1,
            tolerance=self.refinery.rmsd_tolerance,
            blocks=None if near is None else near.blocks,
        )
        return found if extra is None else replace(found, scales=found.scales[extra.own])

    def parameters_of(self, model: ScalingModel) -> tuple[Floats, Floats]:
        """Return parameters and targets of a model whose absorption alone differs; 0 where new."""
        n_new = len(model.owners)
        n = min(len(self.parameters), n_new)
        parameters, target = np.zeros(n_new), np.zeros(n_new)
        parameters[:n], target[:n] = self.parameters[:n], self.target[:n]
        return parameters, target

    def set_model(self, model: ScalingModel, parameters: Floats) -> None:
        """Go on with a model whose absorption alone differs; its scales come with the next fit."""
        self.target = self.parameters_of(model)[1]
        self.parameters = parameters
        self.model, self.design = model, model.design(self.variables)
