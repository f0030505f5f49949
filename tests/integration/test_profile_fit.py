"""Fitted intensities of painted frames, against what was painted and against sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_frames import SIGMA_B, SIGMA_M, Painted, experiment, paint

from dxdask.columns import Flag, check, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.gaussian import fill_weights, profiles, weight_of_sums
from dxdask.integration.local_profile import LocalProfile
from dxdask.integration.regions import RegionMeans
from dxdask.integration.result import finish
from dxdask.integration.rotation_spread import RotationSpread
from dxdask.integration.sums import FITTED, FITTED_2, N_SUMS, PROFILE
from dxdask.models import Detector

PARAMETERS = IntegrationParameters()
# px^2: the detector is tilted and 40 to 48 mm away, with pixels of 0.1 mm
VARIANCE = (SIGMA_B * 42.5 / 0.1) ** 2 + 1 / 12


def local(*, x=0.0, y=0.0, z=0.0, variance=VARIANCE, sigma_m=SIGMA_M) -> LocalProfile:
    """Return a local profile that is the same all over one panel."""

    def mean(value: float) -> RegionMeans:
        return RegionMeans(np.full((1, 1, 1), value), np.array([[300.0, 280.0]]))

    log = np.log(variance)
    spread = RotationSpread(sigma_m, 0.0)
    return LocalProfile(
        x=mean(x), y=mean(y), z=mean(z), log_xx=mean(log), log_yy=mean(log), spread=spread
    )


def run(p: Painted, **options):
    return integrate(p.frames, p.mask, p.experiment, p.predicted, **options)


def alone(r):
    """Whole reflections, summed and fitted, that share no pixel with another."""
    both = has_flag(r, Flag.INTEGRATED_SUM) & has_flag(r, Flag.INTEGRATED_PRF)
    return both & ~has_flag(r, Flag.OVERLAPPED_FG) & (r["partiality"] > 0.9999)


def deviations(r, painted, rows, kind):
    sigma = np.sqrt(r[f"intensity_{kind}_variance"][rows])
    return (r[f"intensity_{kind}"] - painted.intensity)[rows], sigma


@pytest.fixture(scope="module")
def painted() -> Painted:
    return paint(experiment())


@pytest.fixture(scope="module")
def weak() -> Painted:
    return paint(experiment(cell=(50.0, 55.0, 60.0, 85.0, 95.0, 100.0)), mean=40.0, background=4.0)


@pytest.fixture(scope="module")
def fitted(painted):
    return run(painted, local=local())


def test_fits_are_unbiased_and_their_variances_right(painted, fitted):
    r = check(fitted.reflections)
    rows = alone(r)
    assert rows.sum() > 300
    off, sigma = deviations(r, painted, rows, "prf")
    z = off / sigma
    assert abs(z.mean()) < 4 / np.sqrt(rows.sum())
    assert 0.9 < np.sqrt(np.mean(z**2)) < 1.15
    ratio = r["intensity_prf"][rows].sum() / painted.intensity[rows].sum()
    np.testing.assert_allclose(ratio, 1.0, atol=0.01)


@pytest.mark.jit
def test_weak_reflections_are_fitted_better_than_summed(weak):
    r = run(weak, local=local()).reflections
    rows = alone(r)
    assert rows.sum() > 1000
    fit, sigma = deviations(r, weak, rows, "prf")
    total, sigma_sum = deviations(r, weak, rows, "sum")
    assert np.mean(fit**2) < 0.75 * np.mean(total**2)
    assert abs(np.mean(fit)) < 4 * np.std(fit) / np.sqrt(rows.sum())
    assert 0.9 < np.sqrt(np.mean((fit / sigma) ** 2)) < 1.1
    assert np.median(sigma) < np.median(sigma_sum)


@pytest.mark.jit
@pytest.mark.parametrize(
    "shape",
    [{"variance": 1.6 * VARIANCE}, {"variance": 0.7 * VARIANCE}, {"x": 0.3, "y": -0.2}, {"z": 0.1}],
)
def test_a_wrong_profile_is_made_up_for(painted, shape):
    r = run(painted, local=local(**shape)).reflections
    rows = alone(r)
    ratio = r["intensity_prf"][rows].sum() / r["intensity_sum"][rows].sum()
    np.testing.assert_allclose(ratio, 1.0, atol=0.01)


def test_without_spots_the_predicted_profile_is_fitted(painted):
    r = run(painted).reflections
    rows = alone(r)
    off, _ = deviations(r, painted, rows, "prf")
    assert abs(off.sum()) < 0.015 * painted.intensity[rows].sum()


def test_partials_hold_their_part(painted, fitted):
    r = fitted.reflections
    rows = has_flag(r, Flag.INTEGRATED_PRF) & ~has_flag(r, Flag.OVERLAPPED_FG)
    rows &= (r["partiality"] > 0.05) & (r["partiality"] < 0.95)
    assert rows.sum() > 20
    expected = painted.intensity[rows] * r["partiality"][rows]
    z = (r["intensity_prf"][rows] - expected) / np.sqrt(r["intensity_prf_variance"][rows])
    assert abs(z.mean()) < 4 / np.sqrt(rows.sum())
    assert np.sqrt(np.mean(z**2)) < 1.5


@pytest.mark.jit
def test_a_masked_pixel_costs_the_sum_and_not_the_fit(painted, fitted):
    r = fitted.reflections
    some = np.flatnonzero(alone(r) & (painted.intensity > 200))[:12]
    mask = painted.mask.copy()
    for i in some:
        mask[int(r["y_cal"][i]), int(r["x_cal"][i]) + 2] = False
    new = integrate(painted.frames, mask, painted.experiment, painted.predicted, local=local())
    new = new.reflections
    assert not has_flag(new, Flag.INTEGRATED_SUM)[some].any()
    assert has_flag(new, Flag.INTEGRATED_PRF)[some].all()
    off, sigma = deviations(new, painted, some, "prf")
    assert (np.abs(off) < 5 * sigma).all()
    # where its middle is lost a reflection is not fitted
    mask[int(r["y_cal"][some[0]]), int(r["x_cal"][some[0]])] = False
    most = {"profile": {"valid_foreground_threshold": 0.9}}
    strict = IntegrationParameters.model_validate(most)
    last = integrate(
        painted.frames, mask, painted.experiment, painted.predicted, strict, local=local()
    )
    assert has_flag(last.reflections, Flag.FAILED_DURING_PROFILE_FITTING)[some[0]]
    assert not has_flag(last.reflections, Flag.INTEGRATED_PRF)[some[0]]


@pytest.mark.jit
def test_saturated_pixels_are_left_out(painted):
    frames = painted.frames.copy()
    r = run(painted, local=local()).reflections
    i = np.flatnonzero(alone(r) & (painted.intensity > 300))[0]
    z = int(r["z_cal"][i]) - painted.experiment.scan.array_range[0]
    frames[z, int(r["y_cal"][i]), int(r["x_cal"][i]) + 2] = 20000
    new = integrate(frames, painted.mask, painted.experiment, painted.predicted, local=local())
    new = new.reflections
    assert has_flag(new, Flag.OVERLOADED)[i]
    np.testing.assert_allclose(new["intensity_prf"][i], r["intensity_prf"][i], rtol=0.1)


@pytest.mark.jit
@pytest.mark.parametrize("size", [1, 3, 7])
def test_any_size_of_block_gives_the_same(painted, fitted, size):
    context = integration_context(painted.predicted, painted.experiment, PARAMETERS, local=local())
    parts = [
        sum_block(painted.frames[i : i + size], i, context, painted.mask)
        for i in range(0, len(painted.frames), size)
    ]
    r = finish(
        combine_sums(parts, context.background), painted.predicted, context, painted.experiment
    ).reflections
    for name, values in fitted.reflections.items():
        np.testing.assert_array_equal(r[name], values, err_msg=name)


@pytest.mark.jit
def test_sums_are_the_same_whatever_is_fitted(painted, fitted):
    parameters = IntegrationParameters.model_validate({"profile": {"fitting": False}})
    result = run(painted, parameters=parameters)
    r = result.reflections
    assert not has_flag(r, Flag.INTEGRATED_PRF).any()
    assert "intensity_prf" not in r
    assert "fitting" not in " ".join(result.messages)
    for name in ("intensity_sum", "intensity_sum_variance", "background_mean", "x", "y", "z"):
        np.testing.assert_array_equal(r[name], fitted.reflections[name])


@pytest.mark.jit
def test_too_few_strong_reflections_are_reported(weak):
    faint = replace(weak, frames=np.minimum(weak.frames, 3).astype(np.uint16))
    result = run(faint, local=local())
    assert any("calibrated by one factor" in m for m in result.messages)
    assert has_flag(result.reflections, Flag.INTEGRATED_PRF).any()


@pytest.mark.jit
def test_no_foreground_that_can_be_used_is_no_fit(painted):
    nothing = np.zeros_like(painted.mask)
    r = integrate(painted.frames, nothing, painted.experiment, painted.predicted).reflections
    assert not has_flag(r, Flag.INTEGRATED_PRF).any()
    assert has_flag(r, Flag.FAILED_DURING_PROFILE_FITTING).all()
    np.testing.assert_array_equal(r["intensity_prf"], 0.0)
    np.testing.assert_array_equal(r["profile_weights"], 0.0)


@pytest.mark.jit
def test_two_panels_are_fitted_as_one_is(painted, fitted):
    e = experiment(panels=2)
    size = np.array([p.image_size for p in e.detector.panels], dtype=float)
    one = local()
    two = one._replace(
        **{
            n: RegionMeans(np.repeat(getattr(one, n).values, 2, axis=0), size)
            for n in ("x", "y", "z", "log_xx", "log_yy")
        }
    )
    r = integrate(painted.frames, painted.mask, e, local=two).reflections
    rows = alone(r)
    assert set(r["panel"][rows].tolist()) == {0, 1}
    ratio = r["intensity_prf"][rows].sum() / r["intensity_sum"][rows].sum()
    np.testing.assert_allclose(ratio, 1.0, atol=0.015)


@pytest.mark.jit
def test_tables_count_fits(fitted):
    summary = fitted.table("summary").rows[0]
    r = fitted.reflections
    assert summary["n_integrated_prf"] == has_flag(r, Flag.INTEGRATED_PRF).sum()
    assert summary["i_over_sigma_prf"] > 5
    for name in ("shells", "images"):
        rows = fitted.table(name).rows
        assert sum(row["n_integrated_prf"] for row in rows) == summary["n_integrated_prf"]


@pytest.mark.jit
@given(
    st.floats(0.05, 9.0),
    st.floats(0.05, 9.0),
    st.floats(-0.9, 0.9),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_weights_are_the_fractions_of_a_whole(painted, xx, yy, c, x, y):
    """However narrow, and wherever in a pixel its centre is, a profile's weights add up to 1."""
    shapes = integration_context(painted.predicted, painted.experiment, PARAMETERS).shapes
    covariance = np.array([[xx, c * np.sqrt(xx * yy), yy]])
    centre = np.array([[50.0 + x, 60.0 + y, 0.0]])
    p = profiles(centre, covariance, np.ones(1), SIGMA_M)
    inner = np.array([[30, 72, 40, 82]], dtype=np.int32)
    weights = np.empty(42 * 42, dtype=np.int32)
    e = shapes._replace(profile=p, inner=inner)
    fill_weights(np.array([0]), e, np.array([0]), weights)
    total = weights.sum() * weight_of_sums(p)[0]
    np.testing.assert_allclose(total, 1.0, atol=0.03 if min(xx, yy) < 0.3 else 0.002)


@pytest.mark.jit
def test_sums_of_weights_are_those_of_a_plain_sum(painted):
    e = painted.experiment
    panel = replace(e.detector[0], trusted_range=(-1.0, np.inf))
    e = replace(e, detector=Detector(panels=(panel,)))
    context = integration_context(painted.predicted, e, PARAMETERS, local=local())
    sums = sum_block(painted.frames, 0, context, painted.mask)
    assert sums.sums.shape[1] == N_SUMS
    scale = weight_of_sums(context.shapes.profile)[sums.rows]
    whole = sums.sums[:, PROFILE] == sums.sums[:, FITTED]
    whole &= painted.predicted["partiality"][sums.rows] > 0.9999
    assert whole.sum() > 300
    np.testing.assert_allclose((sums.sums[:, FITTED] * scale)[whole], 1.0, atol=0.02)
    # of a Gaussian over pixels sum p^2 is 1 / (4 pi sigma^2), times that of its frames
    widest = (sums.sums[:, FITTED_2] * scale**2)[whole].max()
    assert widest < 1.1 / (4 * np.pi * VARIANCE)
