"""A response by the ratios of runs at several transmissions, on simulated detectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment

from dxdask.models import ExperimentList
from dxdask.response import (
    CalibrateDetectorParameters,
    DetectorResponse,
    calibrate_detector,
    frame_in_photons,
    response_of_run,
)
from dxdask.response.by_transmissions import TransmissionFit, fit_by_transmissions
from dxdask.response.compared_runs import compared_runs, counts_of_runs
from dxdask.response.peaks import PixelCounts, pixel_counts

TRANSMISSIONS = (0.06, 0.13, 0.25, 0.5, 1.0)
N_SPOTS = 6000


def recorded(photons: np.ndarray, law: DetectorResponse | None, *, whole: bool) -> np.ndarray:
    if law is None:
        return photons.astype(np.float64)
    above = law.factor * photons + law.offset
    return np.where(photons < law.threshold, photons, np.rint(above) if whole else above)


def runs(
    law: DetectorResponse | None, *, whole: bool = True, strength: float = 200.0, seed: int = 1
) -> dict[str, PixelCounts]:
    """Return the pixels of spots of 4 by 4 pixels, of which the strong ones are listed."""
    rng = np.random.default_rng(seed)
    top = 20.0 + strength * rng.exponential(size=N_SPOTS)
    profile = np.exp(-0.5 * (np.subtract.outer(np.arange(4), [1.3]) ** 2)).ravel()
    mean = top[:, None, None] * np.outer(profile, profile)
    spot = np.arange(N_SPOTS)
    x = (spot % 80 * 10)[:, None, None] + np.arange(4)[None, None, :] + np.zeros((1, 4, 1))
    y = (spot // 80 * 10)[:, None, None] + np.arange(4)[None, :, None] + np.zeros((1, 1, 4))
    found = {}
    for transmission in TRANSMISSIONS:
        photons = rng.poisson(transmission * mean)
        listed = photons >= 3
        lengths = listed.sum(axis=(1, 2))
        arrays = {
            "pixel_offsets": np.concatenate([[0], np.cumsum(lengths)]),
            "pixel_x": x[listed], "pixel_y": y[listed], "pixel_z": np.zeros(lengths.sum()),
            "pixel_value": recorded(photons, law, whole=whole)[listed],
        }  # fmt: skip
        panel = np.zeros(N_SPOTS, np.int64)
        found[f"t{transmission}"] = pixel_counts(arrays, panel, lengths > 0)
    return found


def fitted(law: DetectorResponse | None, *, whole: bool = True, seed: int = 1) -> TransmissionFit:
    found = runs(law, whole=whole, seed=seed)
    return fit_by_transmissions(counts_of_runs(list(found), found.__getitem__))


@pytest.mark.parametrize(
    ("law", "whole"),
    [
        (DetectorResponse(threshold=30, factor=1.03, offset=1.0), True),
        (DetectorResponse(threshold=60, factor=0.9, offset=6.0), False),
        pytest.param(
            DetectorResponse(threshold=60, factor=1.05, offset=0.0), False, marks=pytest.mark.slow
        ),
        pytest.param(
            DetectorResponse(threshold=40, factor=1.0, offset=4.0), False, marks=pytest.mark.slow
        ),
    ],
)
def test_the_response_is_found(law: DetectorResponse, whole: bool) -> None:
    fit = fitted(law, whole=whole)
    assert fit.response is not None, fit.reason
    assert fit.response.factor == pytest.approx(law.factor, abs=0.03)
    assert abs(fit.response.factor - law.factor) < 4 * fit.response.factor_su + 0.01
    # what matters: photons of counts
    n = np.array([20.0, 80.0, 200.0, 500.0])
    counts = recorded(n, law, whole=whole)
    back = frame_in_photons(counts, fit.response)
    assert np.abs(back / n - 1.0).max() < 0.02
    assert fit.chi2 is not None
    assert fit.chi2_linear is not None
    assert fit.chi2 < 1.5
    assert fit.chi2_linear > fit.chi2
    np.testing.assert_allclose(fit.ratios, TRANSMISSIONS, rtol=0.02)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_linear_detector_has_none(seed: int) -> None:
    fit = fitted(None, seed=seed)
    assert fit.response is None
    assert fit.reason == "ratios of runs do not depend on counts"
    np.testing.assert_allclose(fit.ratios, TRANSMISSIONS, rtol=0.005)


@pytest.mark.slow
def test_uncertainties_are_those_of_repeated_draws() -> None:
    law = DetectorResponse(threshold=40, factor=1.06, offset=1.0)
    fits = [fitted(law, whole=False, seed=seed).response for seed in range(4)]
    z = np.array([(f.factor - law.factor) / f.factor_su for f in fits if f is not None])
    assert len(z) == 4
    assert 0.3 < np.sqrt(np.mean(z**2)) < 2.5


def test_a_response_that_no_threshold_explains_is_refused() -> None:
    found = runs(None)
    bent = {
        name: c._replace(value=c.value + 8.0 * np.sin(c.value / 12.0)) for name, c in found.items()
    }
    fit = fit_by_transmissions(counts_of_runs(list(bent), bent.__getitem__))
    assert fit.response is None
    assert fit.reason == "no threshold and factor explain the ratios of runs"


def models(transmissions: tuple[float, ...]) -> ExperimentList:
    one = experiment(n_images=8)
    return ExperimentList.of(
        [replace(one, run=f"t{t}", beam=replace(one.beam, transmission=t)) for t in transmissions]
    )


def test_the_method_is_chosen_and_said() -> None:
    law = DetectorResponse(threshold=60, factor=0.9, offset=6.0)
    found, experiments = runs(law), models(TRANSMISSIONS)
    values = {name: c.value for name, c in found.items()}
    auto = calibrate_detector(values, experiments, None, found.__getitem__)
    response = response_of_run(auto.tables, "t1.0")
    assert response is not None
    assert response.factor == pytest.approx(0.9, abs=0.03)
    assert "by the ratios of runs of" in auto.messages[0]
    assert auto.table("detector_response").rows[0]["method"] == "transmissions"
    before, after = (
        max(abs(r[k]) for r in auto.table("detector_linearity").rows if r["su"] < 0.5)
        for k in ("counts", "photons")
    )
    assert after < 2.0 < before
    assert f"linear within {before:.1f} % as recorded, {after:.1f} % as photons" in auto.messages[1]
    skipped = CalibrateDetectorParameters(method="skipped_counts")
    none = calibrate_detector(values, experiments, skipped, found.__getitem__)
    assert response_of_run(none.tables, "t1.0") is None


def test_skipped_counts_come_first() -> None:
    law = DetectorResponse(threshold=30, factor=1.05, offset=1.0)
    found, experiments = runs(law, strength=2000.0), models(TRANSMISSIONS)
    values = {name: c.value for name, c in found.items()}
    result = calibrate_detector(values, experiments, None, found.__getitem__)
    assert "by counts that are skipped" in result.messages[0]
    assert result.table("detector_response").rows[0]["factor"] == pytest.approx(1.05, abs=1e-3)


def test_runs_that_cannot_be_compared() -> None:
    same = models((1.0, 1.0 + 1e-9))
    assert compared_runs(same, same.runs) == []
    values = dict.fromkeys(same.runs, np.arange(100))
    wanted = CalibrateDetectorParameters(method="transmissions")
    result = calibrate_detector(values, same, wanted, lambda run: None)  # type: ignore[arg-type, return-value]
    assert "no runs of one scan at several transmissions" in result.messages[0]
    many = models(tuple(0.9**i for i in range(30)))
    assert len(compared_runs(many, many.runs)) == 6


def test_few_common_pixels_are_said() -> None:
    found = runs(None)
    shifted = {n: c._replace(key=c.key + 1_000_003 * i) for i, (n, c) in enumerate(found.items())}
    fit = fit_by_transmissions(counts_of_runs(list(shifted), shifted.__getitem__))
    assert fit.response is None
    assert fit.reason == "0 pixels in common are too few"


def test_frames_of_factors_below_one_keep_large_counts() -> None:
    law = DetectorResponse(threshold=100, factor=0.5, offset=50.0)
    frame = np.array([[0, 99, 100, 65000]], np.uint16)
    assert frame_in_photons(frame, law).tolist() == [[0, 99, 100, 129900]]
    real = frame_in_photons(np.array([[99.5, 100.25]], np.float32), law)
    assert real.dtype == np.float32
    np.testing.assert_allclose(real, [[99.5, 100.5]])


def test_pixels_on_one_side_of_the_threshold_give_no_response() -> None:
    """Their ratios do not depend on the factor, which may come out as anything."""
    found = runs(DetectorResponse(threshold=10, factor=2.0, offset=0.0))
    counts = counts_of_runs(list(found), found.__getitem__)
    fit = fit_by_transmissions(counts.select(counts.low >= 25))
    assert fit.response is None
    assert fit.reason


def test_fewer_pixels_have_larger_uncertainties() -> None:
    """Parts that are left out for the uncertainty may leave fewer than a threshold needs."""
    found = runs(DetectorResponse(threshold=30, factor=1.2, offset=0.0))
    counts = counts_of_runs(list(found), found.__getitem__)
    below = np.flatnonzero(counts.high < 30)
    assert len(below) > 600
    keep = np.random.default_rng(1).random(len(counts.low)) < 0.6
    keep[below] = False
    keep[below[:510]] = True
    whole, few = fit_by_transmissions(counts), fit_by_transmissions(counts.select(keep))
    assert whole.response is not None
    assert few.response is not None
    assert few.response.factor_su > 0.5 * whole.response.factor_su > 0
    assert abs(few.response.factor - 1.2) < 5 * few.response.factor_su
