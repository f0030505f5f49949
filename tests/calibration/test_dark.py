"""The reduction of a dark run: exact sums, pedestal, noise and bad pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calibration_examples import SHAPE, raw_run, two_panels

from dxdask.calibration import DarkParameters, panel_boxes, pedestal, reduce_dark_run
from dxdask.calibration.dark import CONSTANT, FAR_MEAN, FAR_NOISE
from dxdask.calibration.dark_sums import combine_dark_sums, dark_sums, without
from dxdask.calibration.result import dark_of_result
from dxdask.errors import InputError
from dxdask.models import Beam, Experiment


def test_pedestal_noise_and_bad_pixels_are_those_put_in() -> None:
    run = raw_run()
    found = reduce_dark_run(run.dark, run.detector)
    assert np.array_equal(found.reasons > 0, run.bad)
    assert found.reasons[3, 4] == found.reasons[70, 9] == CONSTANT
    assert found.reasons[90, 31] & FAR_MEAN
    assert found.reasons[20, 52] == FAR_NOISE
    good = ~run.bad
    for rows in (slice(0, 64), slice(64, 128)):
        off = (found.pedestal - run.pedestal)[rows][good[rows]]
        # but for the mean common mode of the dark run, one number a panel
        assert off.std() == pytest.approx(2.0 / np.sqrt(40), rel=0.1)
    # 2 ADU and the rounding to integers
    assert np.sqrt(np.mean(found.noise[good] ** 2)) == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.02)


def test_the_pedestal_is_the_mean_as_recorded() -> None:
    run = raw_run(n_dark=10)
    found = reduce_dark_run(run.dark, run.detector)
    assert np.array_equal(found.pedestal, run.dark.astype(np.int64).mean(axis=0).astype(np.float32))


def test_the_common_mode_is_not_in_the_noise() -> None:
    run = raw_run()
    assert reduce_dark_run(run.dark, run.detector).noise[~run.bad].mean() < 2.2
    assert run.dark[:, ~run.bad].std(axis=0).mean() > 5.0


@pytest.mark.jit
def test_outlier_frames_are_rejected_as_if_they_had_not_been_recorded() -> None:
    run = raw_run(n_dark=20)
    lit, dropped = run.dark.copy(), run.dark.copy()
    lit[5] = run.frames[0]
    dropped[7] = 0
    both = lit.copy()
    both[7] = 0
    for frames, out in ((lit, [5]), (dropped, [7]), (both, [5, 7])):
        found = reduce_dark_run(frames, run.detector)
        assert found.rejected.tolist() == out
        expected = reduce_dark_run(np.delete(run.dark, out, axis=0), run.detector)
        assert np.array_equal(found.pedestal, expected.pedestal)
        assert np.array_equal(found.noise, expected.noise)
        assert np.array_equal(found.reasons, expected.reasons)


@pytest.mark.jit
def test_the_limits_of_bad_pixels_and_frames_are_those_given() -> None:
    run = raw_run()
    few = reduce_dark_run(run.dark, run.detector, DarkParameters(n_mad_mean=3.0))
    assert (few.reasons & FAR_MEAN).astype(bool).sum() > 10
    few = reduce_dark_run(run.dark, run.detector, DarkParameters(n_mad_noise=3.0))
    assert (few.reasons & FAR_NOISE).astype(bool).sum() > 10
    lit = run.dark.copy()
    lit[5] = run.frames[0]
    assert reduce_dark_run(lit, run.detector, DarkParameters(n_mad_frame=1e4)).rejected.size == 0


def test_the_step_returns_the_reduced_dark_run() -> None:
    run = raw_run(n_dark=10)
    frames = run.dark.copy()
    frames[7] = 0
    experiment = Experiment(
        identifier="d", run="dark", beam=Beam(wavelength=1.3), detector=run.detector
    )
    result = pedestal(frames, experiment)
    expected, found = reduce_dark_run(frames, run.detector), dark_of_result(result)
    for name in ("pedestal", "noise", "reasons", "frames", "rejected"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert [(p["run"], p["image"], p["step"]) for p in result.problems] == [("dark", 8, "pedestal")]
    assert {row["run"] for row in result.table("panels").rows} == {"dark"}
    assert result.messages[0] == "Reduced 9 dark frames, rejected 1"


@pytest.mark.jit
@given(st.lists(st.integers(1, 11), max_size=4), st.data())
def test_sums_do_not_depend_on_how_frames_are_cut(cuts: list[int], data: st.DataObject) -> None:
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 65536, (12, *SHAPE)).astype(np.uint16)
    boxes = panel_boxes(two_panels())
    bounds = [0, *sorted(set(cuts)), 12]
    parts = [dark_sums(frames[a:b], boxes, range(a, b)) for a, b in pairwise(bounds)]
    whole = dark_sums(frames, boxes, range(12))
    for one, other in zip(combine_dark_sums(parts), whole, strict=True):
        assert np.array_equal(one, other)
    out = data.draw(st.sets(st.integers(0, 11), min_size=1, max_size=3).map(sorted))
    left = without(whole, dark_sums(frames[out], boxes, out))
    rest = [i for i in range(12) if i not in out]
    for one, other in zip(left, dark_sums(frames[rest], boxes, rest), strict=True):
        assert np.array_equal(one, other)


def test_a_detector_without_noise_has_no_bad_pixels() -> None:
    found = reduce_dark_run(np.zeros((5, *SHAPE), np.uint16), two_panels())
    assert not found.reasons.any()
    assert not found.pedestal.any()
    assert not found.noise.any()


def test_bad_input_is_refused_with_advice() -> None:
    detector = two_panels()
    with pytest.raises(InputError, match=r"2 usable frames, dark\.min_frames=3"):
        reduce_dark_run(np.zeros((2, *SHAPE), np.uint16), detector)
    with pytest.raises(InputError, match="float32: give the raw run"):
        reduce_dark_run(np.zeros((4, *SHAPE), np.float32), detector)
