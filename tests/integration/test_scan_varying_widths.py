"""Widths of reflections along the scan: of a mosaicity that grows, and of one that does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.painted_frames import SIGMA_B, SIGMA_M, Painted, experiment, paint
from support.painted_spots import strong_spots

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.prediction import predict
from dxdask.integration.profile_model import estimate_profile
from dxdask.integration.stretches import smooth_by_image, stretches
from dxdask.models import ExperimentList, GaussianProfile

CELL = (45.0, 50.0, 55.0, 85.0, 95.0, 100.0)
N = 100
VARYING = IntegrationParameters.model_validate({"profile": {"scan_varying": True}})


def painted(by_image_deg: np.ndarray | None) -> Painted:
    e = experiment(cell=CELL, n_images=N, width=0.25, n_sigma=4.5)
    if by_image_deg is not None:
        widths = tuple(np.deg2rad(by_image_deg).tolist())
        profile = replace(e.profile, sigma_m=float(np.mean(widths)), sigma_m_by_image=widths)
        e = replace(e, profile=profile)
    return paint(e, mean=1000.0)


@pytest.fixture(scope="module")
def growing() -> Painted:
    """A mosaicity that grows from 0.1 to 0.4 degrees."""
    return painted(np.linspace(0.1, 0.4, N))


@pytest.fixture(scope="module")
def constant() -> Painted:
    return painted(None)


def estimated(p: Painted, parameters: IntegrationParameters) -> GaussianProfile:
    table, arrays = strong_spots(p)
    models = ExperimentList.of([replace(p.experiment, profile=None)])
    return estimate_profile(table, arrays, models, parameters)[0].profile


def integrated(p: Painted, profile: GaussianProfile) -> tuple[dict, np.ndarray]:
    """Return the whole reflections that were integrated, and their true intensities."""
    e = replace(p.experiment, profile=profile)
    r = integrate(p.frames, p.mask, e, predict(e)).reflections
    rows = {(*h, round(z)): i for i, (h, z) in enumerate(keys(p.predicted))}
    true = np.array([rows.get((*h, round(z)), -1) for h, z in keys(r)])
    good = (true >= 0) & (r["partiality"] > 0.99) & ~has_flag(r, Flag.OVERLAPPED_FG)
    good &= has_flag(r, Flag.INTEGRATED_SUM) & has_flag(r, Flag.INTEGRATED_PRF)
    return {n: v[good] for n, v in r.items()}, p.intensity[true[good]]


def keys(r: dict) -> list:
    return list(zip(r["hkl"].tolist(), r["z_cal"].tolist(), strict=True))


def deviations(r: dict, true: np.ndarray, kind: str) -> np.ndarray:
    return (r[f"intensity_{kind}"] - true) / np.sqrt(r[f"intensity_{kind}_variance"])


@pytest.mark.jit
@pytest.mark.slow
def test_a_growing_mosaicity_is_found(growing):
    found = estimated(growing, VARYING)
    true = np.array(growing.experiment.profile.sigma_m_by_image)
    ratio = np.array(found.sigma_m_by_image) / true
    assert len(ratio) == N
    assert np.abs(ratio - 1).max() < 0.12
    assert np.abs(ratio - 1).mean() < 0.03
    # the other width is constant
    assert np.ptp(found.sigma_b_by_image) < 0.05 * found.sigma_b
    one = estimated(growing, IntegrationParameters())
    assert not one.is_scan_varying
    np.testing.assert_allclose(one.sigma_m, true.mean(), rtol=0.15)


@pytest.mark.jit
@pytest.mark.slow
def test_intensities_of_a_growing_mosaicity_are_nearer_to_the_truth(growing):
    varying, true = integrated(growing, replace(estimated(growing, VARYING), n_sigma=3.0))
    one, true_one = integrated(
        growing, replace(estimated(growing, IntegrationParameters()), n_sigma=3.0)
    )
    fit = deviations(varying, true, "prf")
    assert fit.std() < 1.15
    # with one width calibration along the scan leaves the shape only: 4.3 without it
    assert fit.std() < deviations(one, true_one, "prf").std() < 1.3
    total = deviations(varying, true, "sum")
    assert abs(total.mean()) < 0.1
    assert 0.93 < total.std() < 1.07
    assert abs(deviations(one, true_one, "sum").mean()) > abs(total.mean())
    # at the start of the scan one width for all takes in background
    early, early_one = (r["z_cal"] < 5 + N / 3 for r in (varying, one))
    weak, weak_one = early & (true < 300), early_one & (true_one < 300)
    gained = mean_ratio(varying, weak) / mean_ratio(one, weak_one)
    assert gained > 1.05


def mean_ratio(r: dict, rows: np.ndarray) -> float:
    return float(np.mean(r["intensity_sum"][rows] / np.sqrt(r["intensity_sum_variance"][rows])))


@pytest.mark.jit
@pytest.mark.slow
def test_widths_that_do_not_vary_are_constant(constant):
    found, one = estimated(constant, VARYING), estimated(constant, IntegrationParameters())
    assert np.ptp(found.sigma_m_by_image) < 0.03 * SIGMA_M
    assert np.ptp(found.sigma_b_by_image) < 0.03 * SIGMA_B
    np.testing.assert_allclose(
        [found.sigma_b, found.sigma_m], [one.sigma_b, one.sigma_m], rtol=0.02
    )
    (varying, true), (same, _) = (integrated(constant, p) for p in (found, one))
    assert len(varying["d"]) == pytest.approx(len(same["d"]), rel=0.01)
    assert abs(deviations(varying, true, "prf").std() - 1) < 0.1
    order = {k: i for i, k in enumerate((*h, round(z)) for h, z in keys(same))}
    both = [(i, order[(*h, round(z))]) for i, (h, z) in enumerate(keys(varying))
            if (*h, round(z)) in order]  # fmt: skip
    i, j = np.array(both).T
    off = varying["intensity_prf"][i] - same["intensity_prf"][j]
    assert np.median(np.abs(off) / np.sqrt(same["intensity_prf_variance"][j])) < 0.1


@pytest.mark.jit
@pytest.mark.slow
def test_too_few_spots_have_one_width(constant):
    table, arrays = strong_spots(constant)
    n = 250
    table = {name: v[:n] for name, v in table.items()}
    end = arrays["pixel_offsets"][n]
    arrays = {k: v[: n + 1] if k == "pixel_offsets" else v[:end] for k, v in arrays.items()}
    models = ExperimentList.of([replace(constant.experiment, profile=None)])
    assert not estimate_profile(table, arrays, models, VARYING)[0].profile.is_scan_varying


@pytest.mark.jit
@pytest.mark.slow
def test_the_message_of_a_run_has_the_ranges(constant):
    e = constant.experiment
    widths = tuple(np.linspace(0.002, 0.003, N).tolist())
    e = replace(e, profile=replace(e.profile, sigma_m_by_image=widths))
    result = integrate(constant.frames, constant.mask, e, constant.predicted)
    (line,) = (m for m in result.messages if "Along the scan" in m)
    assert line == " Along the scan: sigma b constant, sigma m 0.1146 to 0.1719 degrees"


@given(st.integers(0, 1000), st.floats(-3.0, 3.0))
@settings(max_examples=25, deadline=None)
def test_values_that_differ_by_errors_are_smoothed_to_their_mean(seed, mean):
    rng = np.random.default_rng(seed)
    at, error = np.linspace(2.0, 98.0, 20), 0.02
    smooth = smooth_by_image(at, mean + rng.normal(0.0, error, 20), 100)
    assert np.abs(smooth - mean).max() < 3.5 * error
    # of 1001 seeds the median is 0.3 errors and the largest 1.02
    assert np.sqrt(np.mean((smooth - mean) ** 2)) < 1.1 * error


def test_most_of_their_errors_is_smoothed_away():
    at, error = np.linspace(2.0, 98.0, 20), 0.02
    every = [
        smooth_by_image(at, np.random.default_rng(seed).normal(0.0, error, 20), 100)
        for seed in range(100)
    ]
    rms = np.sqrt(np.mean(np.square(every), axis=1))
    assert np.median(rms) < 0.4 * error
    assert np.sort(rms)[-2] < error


def test_a_trend_is_followed():
    rng = np.random.default_rng(2)
    at = np.linspace(1.0, 99.0, 40)
    smooth = smooth_by_image(at, 0.01 * at + rng.normal(0.0, 0.02, 40), 100)
    assert np.abs(smooth - 0.01 * (np.arange(100) + 0.5)).max() < 0.05


def test_stretches_have_equal_numbers_of_spots():
    place = np.random.default_rng(1).uniform(0.0, 30.0, 1000)
    parts = stretches(place, 50, 30)
    assert [len(p) for p in parts] == [100] * 10
    assert all(place[a].max() < place[b].min() for a, b in pairwise(parts))
    assert stretches(place[:60], 50, 30) == []
    assert len(stretches(place, 50, 4)) == 4


def test_a_profile_keeps_the_widths_of_some_images():
    widths = tuple(np.arange(1.0, 9.0).tolist())
    p = GaussianProfile(sigma_b=1.0, sigma_m=4.5, sigma_m_by_image=widths)
    some = p.of_images(slice(2, 5))
    assert some.sigma_m_by_image == (3.0, 4.0, 5.0)
    assert some.sigma_m == 4.0
    assert some.sigma_b == 1.0
    assert (
        GaussianProfile.from_dict({"sigma_b": 1, "sigma_m": 4.5, "sigma_m_by_image": [*widths]})
        == p
    )
    np.testing.assert_array_equal(p.sigma_m_at(np.array([-3.0, 0.5, 7.2, 11.0])), [1, 1, 8, 8])


def test_widths_of_other_images_are_refused():
    with pytest.raises(InputError, match="of 2 images and sigma_m of 3 must be of the same"):
        GaussianProfile(
            sigma_b=1.0, sigma_m=1.0, sigma_b_by_image=(1.0, 1.0), sigma_m_by_image=(1.0,) * 3
        )
