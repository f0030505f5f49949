"""The common mode of each panel and event, by every method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.calibration_examples import RawRun, raw_run

from dxdask.calibration import (
    Calibration,
    CalibrationParameters,
    calibration_of,
    common_modes,
    reduce_dark_run,
)


def calibrated(run: RawRun, **others: Any) -> Calibration:
    """Return the calibration with the true pedestal, and other values given."""
    given: dict[str, Any] = {
        "pedestal": run.pedestal.astype(np.float32),
        "noise": np.full(run.pedestal.shape, 2.0, np.float32),
        "gain": run.gain.astype(np.float32),
        "bad": run.bad,
        "unbonded": run.unbonded,
    }
    return calibration_of(run.detector, run.pedestal.shape, **{**given, **others})


def by(**common_mode: Any) -> CalibrationParameters:
    return CalibrationParameters.model_validate({"common_mode": common_mode})


def custom(method: str, **others: Any) -> CalibrationParameters:
    return by(algorithm="custom", custom={"method": method, **others})


@pytest.mark.parametrize("background", [0.0, 0.3, 1.0, 2.5])
def test_default_is_not_misled_by_photons(background: float) -> None:
    run = raw_run(2, n=30, background=background)
    off = common_modes(run.frames, calibrated(run), by()) - run.common_mode
    assert np.sqrt(np.mean(off**2)) < 0.25
    assert abs(off.mean()) < 0.1


def test_default_takes_the_left_flank_where_single_photons_drown_in_noise() -> None:
    run = raw_run(4, n=30, background=0.05, noise=6.0)
    c = calibrated(run, noise=np.full(run.pedestal.shape, 6.0, np.float32))
    off = common_modes(run.frames, c, by()) - run.common_mode
    assert np.sqrt(np.mean(off**2)) < 0.6


@pytest.mark.jit
def test_default_with_the_pedestal_of_a_dark_run() -> None:
    run = raw_run(5, n=30)
    dark = reduce_dark_run(run.dark, run.detector)
    c = calibrated(run, pedestal=dark.pedestal, noise=dark.noise, n_dark=len(dark.frames))
    off = common_modes(run.frames, c, by()) - run.common_mode
    # the mean common mode of the dark run is in its pedestal
    assert (off - off.mean(axis=0)).std() < 0.25


@pytest.mark.parametrize(
    ("method", "background", "limit"),
    [
        ("unbonded_mean", 2.0, 0.3),
        ("unbonded_median", 2.0, 0.4),
        ("median", 0.0, 0.1),
        ("mode", 0.0, 1.0),
        ("gaussian", 0.0, 0.15),
    ],
)
def test_custom_methods(method: str, background: float, limit: float) -> None:
    run = raw_run(6, n=30, background=background)
    off = common_modes(run.frames, calibrated(run), custom(method)) - run.common_mode
    assert np.sqrt(np.mean(off**2)) < limit


def test_methods_by_plain_numpy() -> None:
    run = raw_run(7, n=3)
    c = calibrated(run)
    residuals = run.frames.astype(np.float64) - c.pedestal
    means = common_modes(run.frames, c, custom("unbonded_mean"))
    medians = common_modes(run.frames, c, custom("median", low=-20, high=15))
    modes = common_modes(run.frames, c, custom("mode", low=-30, high=30, n_bins=60))
    for i in range(3):
        for p, rows in enumerate((slice(0, 64), slice(64, 128))):
            panel, use = residuals[i, rows], c.use[rows]
            assert means[i, p] == pytest.approx(panel[use == 2].mean(), abs=1e-9)
            quiet = panel[use == 1]
            inside = quiet[(quiet >= -20) & (quiet < 15)]
            assert medians[i, p] == pytest.approx(np.median(inside), abs=0.05)
            counts, edges = np.histogram(quiet, 60, (-30, 30))
            assert modes[i, p] == pytest.approx(edges[counts.argmax()] + 0.5, abs=1e-9)


def test_none_takes_nothing_off() -> None:
    run = raw_run(8, n=2)
    assert not common_modes(run.frames, calibrated(run), by(algorithm="none")).any()


def test_an_offset_beyond_the_limit_is_not_believed() -> None:
    run = raw_run(9, n=20)
    found = common_modes(run.frames, calibrated(run), by(max_correction=5.0))
    small = np.abs(run.common_mode) < 4.5
    assert np.all(found[np.abs(run.common_mode) > 5.5] == 0.0)
    assert np.allclose(found[small], run.common_mode[small], atol=0.7)


def test_too_few_pixels_are_left_alone() -> None:
    run = raw_run(10, n=4)
    n_quiet, n_unbonded = int((~run.unbonded[:64]).sum()), int(run.unbonded[:64].sum())
    c = calibrated(run, bad=np.zeros_like(run.bad))
    assert not common_modes(run.frames, c, by(min_pixels=n_quiet + 1)).any()
    assert common_modes(run.frames, c, by(min_pixels=n_quiet // 2)).all()
    unbonded = {"algorithm": "custom", "custom": {"method": "unbonded_mean"}}
    assert not common_modes(run.frames, c, by(**unbonded, min_unbonded=n_unbonded + 50)).any()
    assert common_modes(run.frames, c, by(**unbonded, min_unbonded=n_unbonded // 2)).all()


def test_each_frame_is_judged_by_itself() -> None:
    run = raw_run(11, n=6)
    c = calibrated(run)
    whole = common_modes(run.frames, c)
    assert np.array_equal(whole[::-1], common_modes(run.frames[::-1], c))
    assert np.array_equal(whole[2:3], common_modes(run.frames[2:3], c))


def test_default_without_a_dark_run_is_the_gaussian() -> None:
    run = raw_run(12, n=6, background=0.05)
    c = calibrated(run, noise=None)
    assert np.array_equal(
        common_modes(run.frames, c, by()), common_modes(run.frames, c, custom("gaussian"))
    )
    assert not np.array_equal(
        common_modes(run.frames, calibrated(run), by()), common_modes(run.frames, c, by())
    )


def test_values_that_are_no_numbers_are_not_counted() -> None:
    run = raw_run(13, n=2)
    c = calibrated(run)
    frames = run.frames.astype(np.float32)
    expected = common_modes(frames, c)
    frames[:, 5, 6], frames[:, 7, 8], frames[:, 9, 10] = np.nan, np.inf, -np.inf
    assert np.allclose(common_modes(frames, c), expected, atol=0.05)
