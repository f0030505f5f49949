"""Raw frames to photons or ADU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.calibration_examples import RawRun, raw_run

from dxdask.calibration import (
    BAD_VALUE,
    CalibrationParameters,
    calibrated_detector,
    calibration_of,
    common_modes,
    correct,
    reduce_dark_run,
)
from dxdask.errors import InputError

pytestmark = pytest.mark.jit


def made(run: RawRun, **others: Any) -> Any:
    dark = reduce_dark_run(run.dark, run.detector)
    given: dict[str, Any] = {
        "pedestal": dark.pedestal,
        "noise": dark.noise,
        "gain": run.gain.astype(np.float32),
        "bad": dark.reasons > 0,
        "unbonded": run.unbonded,
        "n_dark": len(dark.frames),
    }
    return calibration_of(run.detector, run.pedestal.shape, **{**given, **others})


def test_photons_are_those_put_in() -> None:
    run = raw_run(1, noise=1.0)
    c = made(run)
    out = correct(run.frames, c)
    assert out.dtype == np.int32
    good = ~run.bad & ~run.unbonded
    assert np.array_equal(c.mask, good)
    assert np.mean(out[:, good] == run.photons[:, good]) > 0.998
    assert np.all(out[:, ~good] == BAD_VALUE)


def test_adu_are_what_is_above_pedestal_and_common_mode() -> None:
    run = raw_run(2)
    c = made(run)
    out = correct(run.frames, c, CalibrationParameters(output="adu"))
    assert out.dtype == np.float32
    offsets = np.repeat(common_modes(run.frames, c), 64, axis=1)[:, :, None]
    expected = np.where(c.mask, run.frames - c.pedestal.astype(np.float64) - offsets, BAD_VALUE)
    np.testing.assert_allclose(out, expected, atol=1e-3)


def test_the_gain_map_divides_each_pixel() -> None:
    run = raw_run(3)
    twice = run.gain.astype(np.float32)
    twice[:, :48] *= 2.0
    one, other = (
        correct(run.frames, made(run, gain=g), CalibrationParameters.model_validate(
            {"common_mode": {"algorithm": "custom", "custom": {"method": "unbonded_mean"}}}
        ))
        for g in (run.gain.astype(np.float32), twice)
    )  # fmt: skip
    good = made(run).mask
    assert np.array_equal(one[:, :, 48:], other[:, :, 48:])
    left = good.copy()
    left[:, 48:] = False
    assert np.abs(one[:, left] - 2 * other[:, left]).max() <= 1
    assert other[0, 30, 30] == pytest.approx(200, abs=3)


def test_a_scalar_gain_and_that_of_the_panels() -> None:
    run = raw_run(4)
    by_panel = correct(run.frames, made(run, gain=None))
    assert np.array_equal(by_panel, correct(run.frames, made(run, gain=7.0)))
    assert not np.array_equal(by_panel, correct(run.frames, made(run, gain=9.0)))


def test_pixels_without_gain_are_bad() -> None:
    run = raw_run(5)
    gain = run.gain.astype(np.float32)
    gain[50, 50], gain[51, 51] = 0.0, np.nan
    c = made(run, gain=gain)
    assert not c.mask[[50, 51], [50, 51]].any()
    assert np.all(correct(run.frames, c)[:, [50, 51], [50, 51]] == BAD_VALUE)


@pytest.mark.parametrize("output", ["photons", "adu"])
def test_the_trusted_range_leaves_saturated_and_bad_pixels_out(output: str) -> None:
    run = raw_run(6)
    parameters = CalibrationParameters.model_validate({"output": output})
    frames = run.frames.copy()
    frames[:, 40, 40] = 65535
    c = made(run)
    detector = calibrated_detector(run.detector, c, parameters, frames.dtype)
    out = correct(frames, c, parameters)
    for panel in detector.panels:
        low, high = panel.trusted_range
        values, mask = out[:, *panel.slices], c.mask[panel.slices]
        trusted = (values > low) & (values < high)
        assert not trusted[:, ~mask].any()
        saturated = frames[:, *panel.slices] == 65535
        assert not trusted[saturated].any()
        assert trusted[:, mask][~saturated[:, mask]].all()
        assert panel.pedestal == 0.0
        assert panel.gain == pytest.approx(7.0 if output == "adu" else 1.0, rel=0.01)
    lower = CalibrationParameters.model_validate({"output": output, "saturation": 2000})
    narrow = calibrated_detector(run.detector, c, lower, frames.dtype)
    unit = 7.0 if output == "photons" else 1.0
    assert narrow[0].trusted_range[1] == pytest.approx((2000 - 1150 - 50) / unit, rel=0.1)


def test_what_does_not_fit_is_refused_with_advice() -> None:
    run = raw_run(7)
    with pytest.raises(InputError, match="take a dark run of the same detector"):
        correct(run.frames[:, :64], made(run))
    with pytest.raises(InputError, match=r"the pedestal is \(64, 96\)"):
        made(run, pedestal=np.zeros((64, 96), np.float32))
    with pytest.raises(InputError, match="give the geometry of these frames"):
        calibration_of(run.detector, (64, 96))
