"""Intensities on backgrounds that vary along the rotation: errors are what variances say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.painted_frames import Painted, experiment, paint
from support.weak_data import local

from dxdask.columns import Flag, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.rotation_sums import (
    COUNTS_Z,
    N_MOMENTS,
    OF_BACKGROUND,
    OF_COUNTS,
    OF_FOREGROUND,
    OF_PROFILE,
    OF_X,
)
from dxdask.integration.sums import FITTED, N_FOREGROUND
from dxdask.scaling.intensities import estimates

pytestmark = pytest.mark.jit
N_SETS = 6
N_IMAGES, WIDTH = 20, 0.1  # boxes have 9 images or more
FALL = 0.12  # of the logarithm on an image: by 2.9 over a box of 9
LOGLINEAR = {"glm": {"model": {"algorithm": "loglinear3d"}}}
MODELS = {
    name: {"algorithm": "simple", "simple": {"model": {"algorithm": name}}}
    for name in ("constant2d", "linear2d", "linear3d")
}


def parameters(background: dict) -> IntegrationParameters:
    return IntegrationParameters.model_validate({"background": background})


@cache
def spots() -> Painted:
    """Return reflections on no background, many of them cut by the ends of the scan."""
    e = experiment(
        cell=(50.0, 55.0, 60.0, 85.0, 95.0, 100.0), n_sigma=3.0, n_images=N_IMAGES, width=WIDTH
    )
    return paint(e, mean=60.0, background=0.0)


def sloping(background: float) -> np.ndarray:
    """Return a background (image, slow, fast) that slopes in all directions, photons."""
    z, y, x = (np.arange(n) - n / 2 for n in (N_IMAGES, 280, 300))
    return background * np.exp(x / 100.0 - y[:, None] / 150.0 - FALL * z[:, None, None])


def linear(background: float) -> np.ndarray:
    """Return a background that is a plane in x, y and the image, by 20 from end to end."""
    z, y, x = (np.linspace(-1.0, 1.0, n) for n in (N_IMAGES, 280, 300))
    return background * (1.0 + 0.04 * x - 0.04 * y[:, None] - 0.82 * z[:, None, None])


def flickering(background: float) -> np.ndarray:
    """Return a flat background whose images differ by factors of up to 4, in no order."""
    factors = np.random.default_rng(2).uniform(0.4, 1.6, N_IMAGES)
    return background * np.tile(factors[:, None, None], (1, 280, 300))


UNDER = {"linear3d": linear, "constant2d": flickering}


@cache
def painted(
    background: float, under: Callable[[float], np.ndarray] = sloping
) -> tuple[Painted, tuple[np.ndarray, ...]]:
    """Return what was painted, and several sets of its counts."""
    p = spots()
    p = replace(p, expected=p.expected + under(background))
    rng = np.random.default_rng(17)
    return p, tuple(rng.poisson(p.expected).astype(np.uint16) for _ in range(N_SETS))


@cache
def made(
    background: float, model: str, under: Callable[[float], np.ndarray] = sloping
) -> tuple[Painted, tuple]:
    """Return what was painted, and the reflections of each set with this model."""
    p, frames = painted(background, under)
    given = parameters(MODELS.get(model, {"glm": {"model": {"algorithm": model}}}))
    return p, tuple(
        integrate(f, p.mask, p.experiment, p.predicted, given, local=local()).reflections
        for f in frames
    )


def deviations(
    background: float, model: str, kind: str, under: Callable[[float], np.ndarray] = sloping
) -> tuple[np.ndarray, np.ndarray]:
    """Return z of intensities of this kind, sum or profile, and their partialities."""
    p, several = made(background, model, under)
    z, partiality, _ = of_all(p, several, kind)
    return z, partiality


def of_all(p: Painted, several: tuple, kind: str) -> np.ndarray:
    """Return z, partialities, and distances from a gap of the intensities of several sets."""
    out = []
    for r in several:
        e = estimates(r, np.arange(len(r["d"])), kind, expected=True)
        true = p.intensity * r["partiality"]
        found, variance, slope = e.combined(true)
        rows = e.has_sum | e.has_fit
        z = (found - true)[rows] / np.sqrt((variance + slope * true)[rows])
        gap = np.minimum(np.abs(r["y_cal"] - 138.5) - 8.5, np.abs(r["x_cal"] - 204.0) - 4.0)
        out.append(np.stack([z, r["partiality"][rows], gap[rows]]))
    return np.concatenate(out, axis=1)


@pytest.mark.parametrize("kind", ["sum", "profile"])
@pytest.mark.parametrize("background", [0.02, 0.05, 0.5, 2.0, 10.0])
def test_errors_on_a_slope_along_the_rotation(background, kind):
    """With three standard errors added; the background differs by 80 from corner to corner."""
    check(*deviations(background, "loglinear3d", kind))


def check(z: np.ndarray, partiality: np.ndarray) -> None:
    """Assert that errors of whole reflections, and of cut ones, are honest."""
    for part in (z[partiality > 0.99], z[partiality < 0.9]):
        n = len(part)
        assert n > 1000
        assert abs(part.mean()) < 0.05 + 3.0 / np.sqrt(n)
        assert 0.95 - 3.0 / np.sqrt(2 * n) < part.std() < 1.05 + 3.0 / np.sqrt(2 * n)


@pytest.mark.parametrize("kind", ["sum", "profile"])
@pytest.mark.parametrize("background", [0.02, 0.05, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("model", ["constant2d", "linear3d"])
def test_errors_of_simple_models(model, background, kind):
    check(*deviations(background, model, kind, UNDER[model]))


@pytest.mark.parametrize("model", ["constant2d", "linear3d", "loglinear3d"])
def test_errors_beside_gaps_and_masked_pixels(model):
    p, frames = painted(2.0, UNDER.get(model, sloping))
    mask = p.mask.copy()
    mask[130:147] = False
    mask[:, 200:208] = False
    mask[::37, ::41] = False
    given = parameters(MODELS.get(model, LOGLINEAR))
    several = tuple(
        integrate(f, mask, p.experiment, p.predicted, given, local=local()).reflections
        for f in frames
    )
    z, _, gap = of_all(p, several, "profile")
    z = z[gap < 9.0]
    assert len(z) > 250
    assert abs(z.mean()) < 0.05 + 3.0 / np.sqrt(len(z))
    assert 0.95 - 3.0 / np.sqrt(2 * len(z)) < z.std() < 1.05 + 3.0 / np.sqrt(2 * len(z))


@pytest.mark.parametrize("model", ["constant2d", "linear3d"])
def test_a_constant_is_wrong_where_simple_models_are_right(model):
    z, partiality = deviations(10.0, "constant3d", "sum", UNDER[model])
    assert z[partiality < 0.9].std() > 1.5


@pytest.mark.parametrize("model", ["constant3d", "loglinear2d"])
def test_models_that_do_not_vary_along_the_rotation_are_wrong(model):
    z, partiality = deviations(2.0, model, "sum")
    assert z[partiality < 0.9].std() > 2.0


def test_a_flat_background_is_found():
    p = spots()
    frames = np.random.default_rng(5).poisson(p.expected + 1.0).astype(np.uint16)
    r = integrate(
        frames, p.mask, p.experiment, p.predicted, parameters(LOGLINEAR), local=local()
    ).reflections
    rows = has_flag(r, Flag.INTEGRATED_SUM)
    np.testing.assert_allclose(r["background_mean"][rows].mean(), 1.0, rtol=0.01)


@pytest.mark.parametrize("background", [LOGLINEAR, MODELS["constant2d"], MODELS["linear3d"]])
def test_any_blocks_give_the_same(background):
    p, frames = painted(2.0)
    context = integration_context(p.predicted, p.experiment, parameters(background))
    whole = sum_block(frames[0], 0, context, p.mask)
    assert whole.whole.all()
    parts = [sum_block(frames[0][i : i + 3], i, context, p.mask) for i in range(0, N_IMAGES, 3)]
    some = combine_sums(parts[3:], context.background)
    pieces = combine_sums([some, *parts[2::-1]], context.background)
    for name in ("sums", "background", "fitted_background", "n_background"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)
    assert len(whole.footprints.rotation.images) == 0
    assert len(whole.footprints.rotation.moments) == 0


def test_sums_by_image_are_those_of_the_pixels():
    p, frames = painted(0.5)
    context = integration_context(p.predicted, p.experiment, parameters(LOGLINEAR))
    part = sum_block(frames[0][:5], 0, context, p.mask)
    f, s, rows = part.footprints, part.footprints.rotation, np.flatnonzero(~part.whole)
    assert len(rows) > 100
    for r in rows:
        images = s.images[s.offsets[r] : s.offsets[r + 1]]
        pixels = slice(f.offsets[r], f.offsets[r + 1])
        width = int(f.geometry[r, 2])
        assert images[:, OF_COUNTS].sum() == f.counts[pixels].sum()
        assert images[:, OF_BACKGROUND].sum() == f.background[pixels].sum()
        assert images[:, OF_FOREGROUND].sum() == part.sums[r, N_FOREGROUND]
        assert images[:, OF_PROFILE].sum() == part.sums[r, FITTED]
        x = np.arange(len(f.background[pixels])) % width
        assert images[:, OF_X].sum() == (x * f.background[pixels]).sum()
        z = np.arange(len(images))
        for k in range(N_MOMENTS):
            total = (z ** (k + 1) * images[:, OF_BACKGROUND]).sum()
            assert s.moments[pixels, k].sum() == total
        assert s.moments[pixels, COUNTS_Z].sum() == (z * images[:, OF_COUNTS]).sum()
