"""The parts of post-refinement against numbers, and in any blocks."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from support.integrated_stills import CELL, RADIUS, TAIL, simulated

from dxdask.arrays import Floats
from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.merging.stills.cycles import PostRefined, post_refine
from dxdask.merging.stills.fit import N_PARAMETERS, Target, _derivatives, fit_stills
from dxdask.merging.stills.means import merged_means
from dxdask.merging.stills.model_error import USUAL, Scatter, between, estimate_error, first_error
from dxdask.merging.stills.observations import StillObservations, observations_of, of_stills
from dxdask.merging.stills.parameters import PostRefinementParameters
from dxdask.merging.stills.rejection import Agreement, agreement_of, rejected
from dxdask.merging.stills.start import first_radius
from dxdask.merging.stills.wilson import posterior

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def made() -> tuple[StillObservations, PostRefined]:
    data = simulated()
    o = observations_of(
        data.reflections, data.stills, data.experiments, gemmi.UnitCell(*CELL),
        gemmi.SpaceGroup("P 43 21 2"), StillsMergingParameters(),
    )  # fmt: skip
    return o, post_refine(o, PostRefinementParameters())


def test_derivatives_are_those_of_the_model(made: tuple[StillObservations, PostRefined]) -> None:
    o, refined = made
    theta = refined.fitted.theta[0]
    data = (o.intensity, o.excitation, o.gradient, o.s2)

    def model(t: Floats, i: int) -> tuple[float, Floats]:
        row = np.empty(N_PARAMETERS)
        return _derivatives(t, np.exp(t[2]), np.exp(t[6]), i, data, 100.0, row), row

    for i in range(0, 60, 7):
        _, row = model(theta, i)
        for k, step in enumerate((1e-5, 1e-4, 1e-5, 1e-8, 1e-8, 1e-8, 1e-5, 1e-10)):
            ahead, behind = theta.copy(), theta.copy()
            ahead[k] += step
            behind[k] -= step
            slope = (model(ahead, i)[0] - model(behind, i)[0]) / (2 * step)
            assert row[k] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_blocks_of_stills_and_reflections_give_the_very_same(
    made: tuple[StillObservations, PostRefined],
) -> None:
    o, r = made
    target = Target(r.means.other, np.full(len(o.still), 50.0))
    every = np.arange(len(o.stills))
    whole = fit_stills(every, o, target, r.priors, r.fitted.theta, degrees_of_freedom=4.0)
    for block in np.array_split(every, 7):
        part = fit_stills(block, o, target, r.priors, r.fitted.theta, degrees_of_freedom=4.0)
        np.testing.assert_array_equal(part.theta[block], whole.theta[block])
    used, reflections = np.ones(len(o.still), np.bool_), np.arange(len(o.hkl))
    args = (o, r.model, used, r.means.full, r.means.square, r.expected, 4.0)
    means = merged_means(reflections, *args)
    for block in np.array_split(reflections, 5):
        part = merged_means(block, *args)
        np.testing.assert_array_equal(part.full[block], means.full[block])
        np.testing.assert_array_equal(part.sigma[block], means.sigma[block])


def test_what_should_be_seen_and_is_not_has_an_error_as_large(
    made: tuple[StillObservations, PostRefined],
) -> None:
    o, r = made
    alone = np.flatnonzero(np.diff(o.bounds) == 1)[:100]
    row = o.order[o.bounds[alone]]
    unseen = o._replace(intensity=np.zeros_like(o.intensity))
    used = r.model.partiality >= 0.05
    means = merged_means(
        alone, unseen, r.model, used, np.zeros(len(o.hkl)), r.means.square, r.expected, 4.0
    )
    seen = means.n[alone] == 1
    sigma = means.bottom[alone[seen]] ** -0.5
    model = r.model
    error = (model.error * r.expected[o.place] / model.partiality)[row[seen]]
    assert seen.sum() > 20
    assert (sigma > error).all()


@given(st.floats(-30, 30), st.floats(0.02, 30.0))
def test_posterior_is_that_of_wilsons_prior(x: float, sigma: float) -> None:
    mean, variance = posterior(x / sigma**2, 1 / sigma**2, 1.0)
    middle = max(x - sigma**2, 0.0)
    depth = (x - sigma**2) / sigma
    width = sigma if depth > -3 else sigma / -depth
    f = np.linspace(max(0.0, middle - 12 * width), middle + 14 * width, 20001)
    log = -0.5 * ((f - x) / sigma) ** 2 - f
    density = np.exp(log - log.max())
    total = integrate.simpson(density, x=f)
    expected = integrate.simpson(density * f, x=f) / total
    spread = integrate.simpson(density * (f - expected) ** 2, x=f) / total
    assert mean == pytest.approx(expected, rel=1e-3)
    assert variance == pytest.approx(spread, rel=1e-2)


def test_what_is_not_measured_is_the_prior() -> None:
    assert posterior(0.0, 0.0, 7.0) == (7.0, 49.0)


def test_first_radius_is_near_the_truth(made: tuple[StillObservations, PostRefined]) -> None:
    assert first_radius(made[0], TAIL) == pytest.approx(RADIUS, rel=0.3)


def test_widths_and_tails_of_stills_come_back(made: tuple[StillObservations, PostRefined]) -> None:
    _, r = made
    assert np.exp(r.priors[0, 2]) == pytest.approx(RADIUS, rel=0.05)
    assert np.exp(r.priors[0, 6]) == pytest.approx(TAIL, rel=0.5)
    assert r.priors[0, 5] == pytest.approx(1e-3, abs=1e-4)


def test_error_of_partialities_comes_back() -> None:
    rng = np.random.default_rng(0)
    n = 40000
    u, still = rng.uniform(-5, 5, n), rng.integers(0, 20, n)
    lever = rng.uniform(100.0, 1000.0, n)
    true = first_error(20)._replace(parts=np.array([0.08, 2e-4, 0.03]))
    known, dp = np.full(n, 0.005**2), true.of(u, lever, still)
    residual = rng.standard_t(4.0, n) * np.sqrt(known + dp**2)
    error = first_error(20)
    for _ in range(3):
        error = estimate_error(
            Scatter(residual**2, known, np.ones(n)), u, lever, still, error, 4.0
        )  # fmt: skip
    np.testing.assert_allclose(error.parts, true.parts, rtol=0.08)
    np.testing.assert_allclose(error.factors, 1.0, atol=0.12)


def test_errors_are_as_usual_where_nothing_tells() -> None:
    n = 50
    u, lever, still = np.zeros(n), np.ones(n), np.arange(n) % 2
    error = first_error(2)
    for _ in range(5):
        error = estimate_error(Scatter(np.zeros(n), np.ones(n), np.zeros(n)), u, lever, still,
                               error, 4.0)  # fmt: skip
    np.testing.assert_allclose(error.parts, USUAL)


def test_a_still_of_something_else_is_left_out() -> None:
    data = simulated()
    rng = np.random.default_rng(3)
    for image in (4, 9):
        own = np.flatnonzero(data.reflections["z"] == image + 0.5)
        for name in ("intensity_sum", "intensity_sum_variance"):
            data.reflections[name][own] = data.reflections[name][rng.permutation(own)]
    merged = merge_stills(data.reflections, data.stills, data.experiments)
    assert np.flatnonzero(np.isnan(merged.arrays["scale"])).tolist() == [4, 9]
    assert "rejected 2 that do not agree" in merged.messages[0]
    assert np.nanmax(merged.arrays["cc_to_others"][[4, 9]]) < 0.5
    kept = merge_stills(
        data.reflections, data.stills, data.experiments, StillsMergingParameters(min_cc=None)
    )
    assert np.isfinite(kept.arrays["scale"]).all()


def test_stills_can_be_taken_out(made: tuple[StillObservations, PostRefined]) -> None:
    o, r = made
    agreement = agreement_of(o, r.model, r.means, r.expected)
    assert agreement.cc.min() > 0.8
    assert not rejected(agreement, 0.3).any()
    which = np.arange(len(o.stills)) % 3 > 0
    part = of_stills(o, which)
    np.testing.assert_array_equal(part.stills, o.stills[which])
    np.testing.assert_array_equal(part.intensity, o.intensity[which[o.still]])
    np.testing.assert_array_equal(part.hkl[part.place], o.hkl[o.place[which[o.still]]])
    assert (part.still == np.repeat(np.arange(which.sum()), np.diff(part.starts))).all()


def test_of_two_stills_none_is_left_out() -> None:
    agreement = Agreement(np.array([0.0, -0.2]), np.array([400, 400]))
    assert not rejected(agreement, 0.3).any()
    three = Agreement(np.array([0.0, 0.9, 0.9]), np.array([400, 400, 400]))
    assert rejected(three, 0.3).tolist() == [True, False, False]


def test_errors_swing_by_half_the_way() -> None:
    old, new = first_error(2), first_error(2)._replace(parts=np.full(3, 1e-3))
    np.testing.assert_allclose(between(old, new).parts, np.sqrt(old.parts * 1e-3))
    np.testing.assert_array_equal(between(old, old).factors, old.factors)


@pytest.mark.parametrize(
    ("name", "column"),
    [("b_factor", 1), ("radius", 2), ("orientation", 3), ("stretch", 5), ("mosaicity", 7)],
)
def test_each_parameter_can_be_left_fixed(
    made: tuple[StillObservations, PostRefined], name: str, column: int
) -> None:
    o, free = made
    assert np.ptp(free.fitted.theta[:, column]) > 0
    fixed = post_refine(o, PostRefinementParameters.model_validate({name: False}))
    assert np.ptp(fixed.fitted.theta[:, column]) < 1e-9


def test_a_given_tail_and_radius_are_taken(made: tuple[StillObservations, PostRefined]) -> None:
    p = PostRefinementParameters(tail=0.2, initial_radius=3e-4, radius=False, n_cycles=2)
    refined = post_refine(made[0], p)
    np.testing.assert_allclose(np.exp(refined.fitted.theta[:, 6]), 0.2)
    np.testing.assert_allclose(np.exp(refined.fitted.theta[:, 2]), 3e-4)
    assert refined.n_cycles == 2
