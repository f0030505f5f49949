"""Intensities on backgrounds that vary: their errors are what their variances say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.ice_ring import ice_ring, radii
from support.painted_frames import Painted, paint
from support.weak_data import Errors, errors, local, spaced, spread

from dxdask.columns import Flag, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.sums import FITTED, N_FOREGROUND

pytestmark = pytest.mark.jit
RADIUS = 100.0
N_SETS = 4
AUTO = {"glm": {"model": {"algorithm": "auto"}}}
LOGLINEAR = {"glm": {"model": {"algorithm": "loglinear2d"}}}
LINEAR = {"algorithm": "simple", "simple": {"model": {"algorithm": "linear2d"}}}


@cache
def spots() -> Painted:
    """Return reflections on no background."""
    return paint(spaced(), mean=60.0, background=0.0)


@cache
def painted(kind: str, background: float) -> tuple[Painted, tuple[np.ndarray, ...]]:
    """Return what was painted, and several sets of its counts."""
    p = spots()
    if kind == "ring":
        under = ice_ring(p.experiment, background, radius=RADIUS)
    elif kind == "slope":
        x = np.linspace(-3.0, 3.0, 300)  # of the logarithm: e-fold in 50 px
        under = np.tile(background * np.exp(x), (280, 1))
    else:
        under = np.full((280, 300), background)
    p = replace(p, expected=p.expected + under, background=under)
    rng = np.random.default_rng(11)
    return p, tuple(rng.poisson(p.expected).astype(np.uint16) for _ in range(N_SETS))


@cache
def made(kind: str, background: float, model: str) -> tuple[Painted, tuple]:
    """Return what was painted, and the reflections of each set with this model."""
    p, frames = painted(kind, background)
    given = parameters({"auto": AUTO, "loglinear2d": LOGLINEAR, "linear2d": LINEAR}.get(model, {}))
    return p, tuple(
        integrate(f, p.mask, p.experiment, p.predicted, given, local=local()).reflections
        for f in frames
    )


def parameters(background: dict) -> IntegrationParameters:
    return IntegrationParameters.model_validate({"background": background})


def on_ring(e: Errors, p: Painted) -> np.ndarray:
    at = radii(p.experiment)[np.clip(e.y.astype(int), 0, 279), np.clip(e.x.astype(int), 0, 299)]
    return np.abs(at - RADIUS) < 8.0


def check(z: np.ndarray) -> None:
    """Assert that errors are honest, with three standard errors added."""
    n = len(z)
    assert abs(z.mean()) < 0.1 + 2.0 / np.sqrt(n)
    assert 0.95 - 3.0 / np.sqrt(n) < spread(z) < 1.05 + 3.0 / np.sqrt(n)


@pytest.mark.parametrize("kind", ["sum", "profile", "combine"])
@pytest.mark.parametrize("background", [0.05, 1.0])
def test_errors_on_a_ring_of_ice_of_five_times_the_background(background, kind):
    found = made("ring", background, "auto")
    e = errors(found, kind)
    ring = on_ring(e, found[0])
    assert ring.sum() > 600
    check(e.z[ring])
    assert spread(e.z[ring]) < 1.1
    check(e.z[~ring])


def test_a_constant_is_wrong_on_a_ring():
    """The ring would be no test if a constant background were right."""
    found = made("ring", 1.0, "constant3d")
    e = errors(found, "sum")
    assert spread(e.z[on_ring(e, found[0])]) > 1.5


@pytest.mark.parametrize("model", ["loglinear2d", "auto", "linear2d"])
def test_errors_on_a_slope(model):
    """Fits: an exponential slope is no plane for the sums of strong backgrounds."""
    check(errors(made("slope", 0.5, model), "profile").z)


@pytest.mark.parametrize("model", ["loglinear2d", "auto", "linear2d"])
@pytest.mark.parametrize("background", [0.02, 1.0])
def test_models_that_vary_find_a_flat_background(background, model):
    found = made("flat", background, model)
    mean = np.mean([r["background_mean"].mean() for r in found[1]])
    # an exponential of what some eight counts determine is a little low in the mean
    few = background < 0.1 and model == "loglinear2d"
    np.testing.assert_allclose(mean, background, rtol=0.08 if few else 0.03)
    for kind in ("sum", "profile"):
        check(errors(found, kind).z)


def test_errors_beside_a_gap_on_a_ring():
    p, frames = painted("ring", 1.0)
    mask = p.mask.copy()
    mask[130:147] = False
    mask[:, 200:208] = False
    mask[::37, ::41] = False
    p = replace(p, mask=mask)
    given = parameters(AUTO)
    several = tuple(
        integrate(f, mask, p.experiment, p.predicted, given, local=local()).reflections
        for f in frames
    )
    e = errors((p, several), "profile")
    near = (np.abs(e.y - 138.5) < 8.5 + 9.0) | (np.abs(e.x - 204.0) < 4.0 + 9.0)
    check(e.select(near).z)
    assert any(has_flag(r, Flag.BACKGROUND_INCLUDES_BAD_PIXELS).any() for r in several)


@pytest.mark.parametrize("background", [AUTO, LINEAR])
def test_any_blocks_give_the_same(background):
    p, frames = painted("ring", 1.0)
    context = integration_context(p.predicted, p.experiment, parameters(background))
    whole = sum_block(frames[0], 0, context, p.mask)
    assert whole.whole.all()
    parts = [sum_block(frames[0][i : i + 3], i, context, p.mask) for i in range(0, 16, 3)]
    some = combine_sums(parts[3:], context.background)
    pieces = combine_sums([some, *parts[2::-1]], context.background)
    for name in ("sums", "background", "fitted_background", "n_background"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)
    # parts keep footprints of reflections that have not all their frames only
    kept = np.diff(parts[2].footprints.offsets) > 0
    np.testing.assert_array_equal(kept, ~parts[2].whole)
    assert whole.footprints.offsets[-1] == 0


def test_footprints_hold_the_pixels_of_the_sums():
    p, frames = painted("ring", 1.0)
    context = integration_context(p.predicted, p.experiment, parameters(AUTO))
    part = sum_block(frames[0][:5], 0, context, p.mask)
    f, rows = part.footprints, np.flatnonzero(~part.whole)
    assert len(rows) > 100
    for total, expected in (
        (f.background, part.n_background),
        (f.foreground, part.sums[:, N_FOREGROUND]),
        (f.profile, part.sums[:, FITTED]),
    ):
        found = [total[f.offsets[i] : f.offsets[i + 1]].sum() for i in rows]
        np.testing.assert_array_equal(found, expected[rows])


def test_noisy_photons_on_a_ring():
    """Values below zero: pixels with a noise of two fifths of a photon."""
    p, frames = painted("ring", 1.0)
    noise = np.random.default_rng(3).normal(0.0, 0.4, frames[0].shape)
    panel = p.experiment.detector[0]
    e = replace(
        p.experiment,
        detector=replace(
            p.experiment.detector, panels=(replace(panel, trusted_range=(-100.0, 20000.0)),)
        ),
    )
    r = integrate(
        (frames[0] + noise).astype(np.float32), p.mask, e, p.predicted, parameters(AUTO),
        local=local(),
    ).reflections  # fmt: skip
    x, y = (np.clip(r[k].astype(int), 0, n) for k, n in (("x_cal", 299), ("y_cal", 279)))
    rows = has_flag(r, Flag.INTEGRATED_SUM) & (r["partiality"] > 0.99)
    rows &= np.abs(radii(e)[y, x] - RADIUS) < 8.0
    error = (r["intensity_sum"] - p.intensity * r["partiality"])[rows]
    variance = r["intensity_sum_variance"] + 0.16 * r["n_foreground"]
    z = error / np.sqrt(variance[rows])
    assert len(z) > 100
    assert abs(z.mean()) < 0.4
    assert spread(z) < 1.3


def test_planes_are_not_rejected_from_constants():
    with pytest.raises(ValueError, match="linear2d"):
        parameters({"algorithm": "simple", "simple": {"outlier": {"algorithm": "plane"}}})
