"""Cycles of post-refinement: a fit of each still to the merged intensities, then a merge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.fit import (
    B_FACTOR,
    MOSAIC,
    RADIUS,
    ROTATION,
    SCALE,
    STRETCH,
    TAIL,
    Fitted,
    Target,
    fit_stills,
)
from dxdask.merging.stills.means import Means, Model, merged_means
from dxdask.merging.stills.model_error import (
    ModelError,
    between,
    estimate_error,
    first_error,
    scatter_of,
)
from dxdask.merging.stills.observations import StillObservations
from dxdask.merging.stills.parameters import PostRefinementParameters
from dxdask.merging.stills.partiality import partialities
from dxdask.merging.stills.priors import FIRST_TAIL, estimate_priors, first_priors, without_scale
from dxdask.merging.stills.start import first_parameters, first_radius
from dxdask.merging.stills.wilson import expected_intensities, shells_of

_LARGEST_LEVERAGE = 0.9
_LEAST_PARTIALITY = 0.05  # of what stills are fitted to
_FREE_CYCLES = 3  # without damping of the error model


class Progress(NamedTuple):
    """Figures of one cycle.

    Attributes
    ----------
    change : median change of the scales' logarithms. residual : sum |I / g - p F| / sum p F over
    reflections with other observations, F their mean. error_of_scale, error_of_rotation (degree),
    error_of_tail : parts of the error of partialities. radius : mean of the stills, 1/A.
    """

    change: float
    residual: float
    error_of_scale: float
    error_of_rotation: float
    error_of_tail: float
    radius: float


class PostRefined(NamedTuple):
    """Parameters of stills, and the intensities merged with them.

    Attributes
    ----------
    fitted : parameters of the stills. priors : (2, 8). error : of partialities.
    model : of the observations. leverage : (n,) of each observation in the fit of its still.
    shell : (m,) resolution shell. expected : (m,) mean of Wilson's prior. means : merged
    intensities. progress : of each cycle.
    """

    fitted: Fitted
    priors: Floats
    error: ModelError
    model: Model
    leverage: Floats
    shell: NDArray[np.int64]
    expected: Floats
    means: Means
    progress: tuple[Progress, ...]

    @property
    def n_cycles(self) -> int:
        """Number of cycles."""
        return len(self.progress)

    @property
    def change(self) -> float:
        """Median change of the scales' logarithms in the last cycle."""
        return self.progress[-1].change if self.progress else np.inf


def model_of(o: StillObservations, fitted: Fitted, error: ModelError, weight: Floats) -> Model:
    """Return scale and partiality of the observations by the parameters of their stills."""
    t = fitted.theta[o.still]
    e = o.excitation + o.gradient[:, 0] * t[:, ROTATION] + o.gradient[:, 1] * t[:, ROTATION + 1]
    radius = np.exp(t[:, RADIUS])
    width = np.sqrt(radius**2 + 2.0 * o.s2 * t[:, MOSAIC])
    u = (e + o.gradient[:, 2] * t[:, STRETCH]) / width
    scale = np.exp(t[:, SCALE] - t[:, B_FACTOR] * o.s2)
    partiality = radius / width * partialities(u, np.exp(t[:, TAIL]))
    lever = np.sqrt(2.0 * o.s2) / width
    return Model(
        scale=scale, partiality=partiality, error=error.of(u, lever, o.still),
        weight=weight, u=u, lever=lever, fitted=fitted.of_model / scale**2,
    )  # fmt: skip


def post_refine(o: StillObservations, parameters: PostRefinementParameters) -> PostRefined:
    """Return post-refined stills, after the last cycle."""
    now = _begin(o, parameters)
    while now.n_cycles < parameters.n_cycles and now.change >= parameters.tolerance:
        now = _cycle(o, parameters, now)
    return now


def _begin(o: StillObservations, parameters: PostRefinementParameters) -> PostRefined:
    """Return stills with scales only, and their merged intensities."""
    n, tail = len(o.still), parameters.tail or FIRST_TAIL
    shell = shells_of(o)
    radius = parameters.initial_radius or first_radius(o, tail)
    theta = without_scale(first_parameters(o, shell, radius, tail))
    fitted = Fitted(theta, np.full_like(theta, np.inf), np.zeros(n))
    error = first_error(len(o.stills))
    model = model_of(o, fitted, error, np.ones(n))
    expected = _first_expected(o, shell, model)
    means = _merged(o, model, expected, 2.0 * expected[o.place] ** 2, expected, parameters)
    priors = first_priors(radius, parameters)
    return PostRefined(
        fitted, priors, error, model, np.zeros(n), shell, expected, means, ()
    )  # fmt: skip


def _cycle(
    o: StillObservations, parameters: PostRefinementParameters, old: PostRefined
) -> PostRefined:
    """Return the stills after one more cycle.

    The error of partialities is estimated from the scatter about the means of the other
    observations; each still is fitted to these means; priors are estimated from the parameters of
    all stills; the observations are merged.
    """
    nu = parameters.degrees_of_freedom
    model, means = old.model, old.means
    expected = expected_intensities(o, old.shell, means.full, means.bottom > 0)
    scatter = scatter_of(
        o, model.scale, model.partiality, means.other, means.other_variance, old.leverage
    )
    error = estimate_error(scatter, model.u, model.lever, o.still, old.error, nu)
    if old.n_cycles >= _FREE_CYCLES:
        error = between(old.error, error)
    dp = error.of(model.u, model.lever, o.still)
    variance = (scatter.known + dp**2 * scatter.by_error) * model.scale**2
    fitted = fit_stills(
        np.arange(len(o.stills)), o, Target(means.other, variance), old.priors, old.fitted.theta,
        degrees_of_freedom=nu,
    )  # fmt: skip
    fitted = fitted._replace(theta=without_scale(fitted.theta))
    priors = estimate_priors(fitted.theta, fitted.spread, old.priors, parameters)
    model = model_of(o, fitted, error, (nu + 1.0) / (nu + scatter.z2(dp)))
    means = _merged(o, model, means.full, means.square, expected, parameters)
    change = np.median(np.abs(fitted.theta - old.fitted.theta)[:, SCALE])
    done = _progress(o, model, means, error, priors, float(change))
    leverage = np.clip(fitted.of_model / variance, 0.0, _LARGEST_LEVERAGE)
    return PostRefined(
        fitted, priors, error, model, leverage, old.shell, expected, means,
        (*old.progress, done),
    )  # fmt: skip


def _progress(
    o: StillObservations,
    model: Model,
    means: Means,
    error: ModelError,
    priors: Floats,
    change: float,
) -> Progress:
    """Return the figures of a cycle."""
    several = means.n[o.place] > 1
    expected = (model.partiality * means.other)[several]
    off = np.abs((o.intensity / model.scale)[several] - expected)
    of_scale, of_rotation, of_tail = error.parts.tolist()
    return Progress(
        change=change,
        residual=float(off.sum() / max(expected.sum(), 1e-300)),
        error_of_scale=of_scale,
        error_of_rotation=float(np.degrees(of_rotation)),
        error_of_tail=of_tail,
        radius=float(np.exp(priors[0, RADIUS])),
    )


def _merged(
    o: StillObservations,
    model: Model,
    guess: Floats,
    square: Floats,
    expected: Floats,
    p: PostRefinementParameters,
) -> Means:
    used = model.partiality >= _LEAST_PARTIALITY
    return merged_means(
        np.arange(len(o.hkl)), o, model, used, guess, square, expected, p.degrees_of_freedom
    )  # fmt: skip


def _first_expected(o: StillObservations, shell: NDArray[np.int64], model: Model) -> Floats:
    """Return mean intensities (m,) by shell, weighted by scale and partiality."""
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
