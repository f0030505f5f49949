"""The background of a run: its shape is found, and scaled under each reflection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.ice_ring import radii
from support.painted_frames import experiment, paint
from support.weak_data import errors, local, spaced, spread

from dxdask.arrays import sum_of_records
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.background_shape import (
    background_shape,
    sum_background,
    with_background_shape,
)
from dxdask.integration.blocks import sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.result import finish

pytestmark = pytest.mark.jit
GMODEL = IntegrationParameters.model_validate({"background": {"algorithm": "gmodel"}})
N_SETS = 3


def rings(e, background: float) -> np.ndarray:
    """Return a background that falls e-fold in 60 px, with two rings of three times its height."""
    r = radii(e)
    peaks = sum(np.exp(-0.5 * ((r - at) / 2.5) ** 2) for at in (70.0, 100.0))
    return background * np.exp((60.0 - r) / 60.0) * (1.0 + 2.0 * peaks)


@pytest.fixture(scope="module")
def spots():
    return paint(spaced(), mean=60.0, background=0.0)


def painted(spots, background: float):
    under = rings(spots.experiment, background)
    p = replace(spots, expected=spots.expected + under, background=under)
    rng = np.random.default_rng(11)
    return p, [rng.poisson(p.expected).astype(np.uint16) for _ in range(N_SETS)]


def with_true_shape(p, frames):
    """Return the reflections integrated with the true shape of the background."""
    context = integration_context(p.predicted, p.experiment, GMODEL, local=local())
    context = replace(context, background_shape=p.background.astype(np.float32))
    sums = sum_block(frames, 0, context, p.mask)
    return finish(sums, p.predicted, context, p.experiment).reflections


@pytest.mark.parametrize("background", [0.02, 0.1, 1.0])
def test_errors_are_those_with_the_true_background(spots, background):
    p, sets = painted(spots, background)
    found = (p, tuple(
        integrate(f, p.mask, p.experiment, p.predicted, GMODEL, local=local()).reflections
        for f in sets
    ))  # fmt: skip
    true = (p, tuple(with_true_shape(p, f) for f in sets))
    for kind in ("sum", "profile"):
        one, other = errors(found, kind), errors(true, kind)
        assert len(one.z) > 3000
        assert abs(one.z.mean()) < 0.06
        assert 0.95 < spread(one.z) < 1.05
        assert abs(spread(one.z) - spread(other.z)) < 0.02
        assert abs(one.z.mean() - other.z.mean()) < 0.03
        at = radii(p.experiment)[
            np.clip(one.y.astype(int), 0, 279), np.clip(one.x.astype(int), 0, 299)
        ]
        ring = (np.abs(at - 70.0) < 6.0) | (np.abs(at - 100.0) < 6.0)
        assert ring.sum() > 500
        assert 0.88 < spread(one.z[ring]) < 1.12


def test_a_constant_is_wrong_on_the_rings(spots):
    p, sets = painted(spots, 1.0)
    plain = (p, tuple(
        integrate(f, p.mask, p.experiment, p.predicted, local=local()).reflections for f in sets
    ))  # fmt: skip
    e = errors(plain, "sum")
    at = radii(p.experiment)[np.clip(e.y.astype(int), 0, 279), np.clip(e.x.astype(int), 0, 299)]
    assert spread(e.z[np.abs(at - 100.0) < 6.0]) > 1.3


def shape_of(p, frames):
    context = integration_context(p.predicted, p.experiment, GMODEL)
    sums = sum_background(frames, 0, context, p.mask, p.experiment.detector)
    return sums, background_shape(sums, p.experiment, 65)


def test_the_shape_is_that_painted_also_with_spots_of_another_crystal(spots):
    p, sets = painted(spots, 1.0)
    frames = sets[0].copy()
    frames[:, 40:44, 60:64] += 500
    for given in (sets[0], frames):
        _, shape = shape_of(p, given)
        off = shape / p.background - 1.0
        assert np.sqrt(np.mean(off**2)) < 0.06
        assert np.abs(np.median(off)) < 0.01


def test_sums_of_blocks_are_those_of_the_run(spots):
    p, sets = painted(spots, 0.1)
    whole, _ = shape_of(p, sets[0])
    context = integration_context(p.predicted, p.experiment, GMODEL)
    detector, n = p.experiment.detector, len(sets[0])
    parts = [
        sum_background(sets[0][a : a + 3], a, context, p.mask, detector) for a in range(0, n, 3)
    ]
    both = sum_of_records(parts)
    np.testing.assert_array_equal(whole.counts, both.counts)
    np.testing.assert_array_equal(whole.n, both.n)
    # a frame that cannot be read has no background
    less = sum_background(sets[0], 0, context, p.mask, detector, unreadable={0})
    assert less.n.sum() < whole.n.sum()


def test_masked_pixels_and_a_frame_without_counts_have_a_background():
    p = paint(experiment(n_images=3), background=0.0)
    mask = p.mask.copy()
    mask[:100] = False
    empty = np.zeros_like(p.frames)
    r = integrate(empty, mask, p.experiment, p.predicted, GMODEL).reflections
    assert np.isfinite(r["intensity_sum"]).all()
    assert (r["background_mean"] == 0).all()


def test_gain_makes_parts_of_photons(spots):
    p, sets = painted(spots, 0.5)
    panels = [replace(q, gain=3.0) for q in p.experiment.detector.panels]
    scaled = replace(p.experiment, detector=replace(p.experiment.detector, panels=tuple(panels)))
    one = integrate(sets[0], p.mask, p.experiment, p.predicted, GMODEL).reflections
    three = integrate(sets[0] * 3, p.mask, scaled, p.predicted, GMODEL).reflections
    np.testing.assert_allclose(
        three["background_mean"], one["background_mean"], rtol=1e-3, atol=1e-5
    )


def test_the_context_has_the_shape(spots):
    p, sets = painted(spots, 0.1)
    context = integration_context(p.predicted, p.experiment, GMODEL)
    sums, shape = shape_of(p, sets[0])
    np.testing.assert_allclose(
        with_background_shape(context, sums, p.experiment).background_shape, shape, rtol=1e-6
    )
