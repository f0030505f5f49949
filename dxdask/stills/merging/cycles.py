"""Post-refinement: stills are fitted to the merged intensities and merged again, in turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.stills.merging.fit import (
    B_FACTOR,
    RADIUS,
    SCALE,
    STRETCH,
    TAIL,
    TURN,
    Target,
    fit_stills,
)
from dxdask.stills.merging.means import Means, Model, merged_means
from dxdask.stills.merging.model_error import (
    ModelError,
    estimate_error,
    first_error,
    scatter_of,
)
from dxdask.stills.merging.observations import Observations
from dxdask.stills.merging.parameters import PostRefinementParameters
from dxdask.stills.merging.partiality import partialities
from dxdask.stills.merging.priors import FIRST_TAIL, estimate_priors, first_priors, without_scale
from dxdask.stills.merging.start import first_parameters, first_radius
from dxdask.stills.merging.wilson import expected_intensities, shells_of

Floats = NDArray[np.float64]

_LEAST_PARTIALITY = 0.05  # of what stills are fitted to


class PostRefined(NamedTuple):
    """Stills and intensities that fit each other.

    Attributes
    ----------
    theta, spread : (stills, 7) parameters and their variances. priors : (2, 7).
    error : of partialities. model : of observations. expected : (m,) of Wilson's prior.
    means : merged. n_cycles : how many were done. change : of the scales in the last one.
    """

    theta: Floats
    spread: Floats
    priors: Floats
    error: ModelError
    model: Model
    expected: Floats
    means: Means
    n_cycles: int
    change: float


def model_of(o: Observations, theta: Floats, error: ModelError, weight: Floats) -> Model:
    """Return scale and partiality of observations by the parameters of their stills."""
    t = theta[o.still]
    e = o.excitation + o.gradient[:, 0] * t[:, TURN] + o.gradient[:, 1] * t[:, TURN + 1]
    u = (e + o.gradient[:, 2] * t[:, STRETCH]) / np.exp(t[:, RADIUS])
    scale = np.exp(t[:, SCALE] - t[:, B_FACTOR] * o.s2)
    return Model(scale, partialities(u, np.exp(t[:, TAIL])), error.of(u, o.still), weight, u)


def post_refine(o: Observations, parameters: PostRefinementParameters) -> PostRefined:
    """Return parameters of stills and merged intensities that fit each other.

    Every cycle merges with the stills as they are, finds the error of their partialities from the
    scatter about what other stills say, fits each still to that, and finds priors again.
    """
    nu = parameters.degrees_of_freedom
    tail = FIRST_TAIL if parameters.tail is None else parameters.tail
    shell = shells_of(o)
    radius = parameters.initial_radius or first_radius(o, tail)
    theta = first_parameters(o, shell, radius, tail)
    priors = first_priors(radius, parameters)
    theta = without_scale(theta)
    error, weight = first_error(len(o.stills)), np.ones(len(o.still))
    every, stills = np.arange(len(o.hkl)), np.arange(len(o.stills))
    model = model_of(o, theta, error, weight)
    expected = _first_expected(o, shell, model)
    means = merged_means(every, o, model, _usable(model), expected, expected)
    spread, change, n_cycles = np.full_like(theta, np.inf), np.inf, 0
    while n_cycles < parameters.n_cycles and change >= parameters.tolerance:
        n_cycles += 1
        expected = expected_intensities(o, shell, means.full, means.bottom > 0)
        scatter = scatter_of(o, model.scale, model.partiality, means.other, means.other_variance)
        error = estimate_error(scatter, model.u, o.still, error, nu)
        dp = error.of(model.u, o.still)
        variance = (scatter.known + dp**2 * scatter.by_error) * model.scale**2
        old = theta
        theta, spread = fit_stills(
            stills, o, Target(means.other, variance), priors, theta,
            degrees_of_freedom=nu,
        )  # fmt: skip
        theta = without_scale(theta)
        priors = estimate_priors(theta, spread, priors, parameters)
        weight = (nu + 1.0) / (nu + scatter.z2(dp))
        model = model_of(o, theta, error, weight)
        means = merged_means(every, o, model, _usable(model), means.full, expected)
        change = float(np.median(np.abs(theta - old)[:, SCALE]))
    return PostRefined(theta, spread, priors, error, model, expected, means, n_cycles, change)


def _usable(model: Model) -> NDArray[np.bool_]:
    return np.asarray(model.partiality >= _LEAST_PARTIALITY)


def _first_expected(o: Observations, shell: NDArray[np.int64], model: Model) -> Floats:
    """Return mean intensities (m,) by shell, of what is near the Ewald sphere."""
    top = model.scale * model.partiality * o.intensity
    bottom = (model.scale * model.partiality) ** 2
    place, n = shell[o.place], int(shell.max()) + 1
    mean = np.bincount(place, weights=top, minlength=n) / np.bincount(
        place, weights=bottom, minlength=n
    )
    least = 1e-3 * np.abs(mean).max()
    known = np.ones(len(o.hkl), np.bool_)
    full = np.maximum(mean, least)[shell] * o.multiple
    return expected_intensities(o, shell, full, known)
