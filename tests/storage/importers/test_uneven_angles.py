"""Angles of images that are not evenly spaced: breaks, borders, rounding, mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.storage.importers.nxmx.rotation import sweeps
from dxdask.storage.importers.uneven_angles import breaks, uneven_angles


def jittered(n, width, rms, seed, slow=0):
    """Return the starts of n images of a slow start, and of angles off by uniform noise."""
    rng = np.random.default_rng(seed)
    speed = np.minimum(np.arange(1, n + 1) / (slow + 1), 1.0)
    places = np.concatenate([[0.0], np.cumsum(speed)[:-1]])
    return 10.0 + width * (places + np.sqrt(3) * rms * rng.uniform(-1, 1, n))


@given(
    st.integers(0, 2**31), st.floats(0.0, 0.3), st.integers(0, 6), st.sampled_from([0.1, -0.5, 1.0])
)
def test_a_jittered_slow_sweep_is_one(seed, rms, slow, width):
    assert not breaks(jittered(60, width, rms, seed, slow), width).any()


@pytest.mark.parametrize("rms", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("gap", [1.0, 5.0, 90.0, -30.0])
def test_a_lasting_gap_breaks(rms, gap):
    angles = jittered(60, 1.0, rms, 3)
    angles[25:] += gap
    assert np.flatnonzero(breaks(angles, 1.0)).tolist() == [24]


def test_pairs_that_begin_again_break():
    angles = np.tile([0.0, 0.1], 4)
    assert breaks(angles, 0.1).tolist() == [False, True] * 3 + [False]


@pytest.mark.parametrize(
    ("width", "decimals"), [(0.12, 2), (0.125, 2), (0.1, 1), (1 / 3, 2), (-0.12, 2), (0.025, 2)]
)
def test_rounded_angles_are_even(width, decimals):
    starts = np.round(width * np.arange(200), decimals)
    assert uneven_angles(starts, width) == ()
    # in single precision too
    assert uneven_angles(starts.astype(np.float32).astype(np.float64), width) == ()


def test_single_precision_is_even():
    starts = (0.1 * np.arange(3600)).astype(np.float32).astype(np.float64)
    assert uneven_angles(starts, 0.1) == ()
    assert uneven_angles(np.array([0.0, 0.6]), 0.5) == ()


@given(st.integers(0, 2**31), st.floats(0.05, 0.3), st.sampled_from([0.25, -0.5]))
def test_borders_are_the_starts_where_they_go_on(seed, rms, width):
    starts = jittered(40, width, rms, seed, 3)
    borders = uneven_angles(starts, width)
    assert borders
    steps = np.diff(borders) / width
    assert (steps > 0.049).all()
    goes_on = np.diff(starts) / width > 0.05
    if goes_on.all():
        np.testing.assert_allclose(borders[:-1], starts, atol=1e-8)
    assert borders[-1] == pytest.approx(borders[-2] + width, abs=0.6 * abs(width))
    assert np.abs(np.array(borders[:-1]) - starts).max() < abs(width)


def test_ends_that_were_read_back_are_halfway_to_the_next_start():
    starts = 0.5 * np.arange(10)
    starts[4] += 0.2
    ends = starts + 0.4
    borders = uneven_angles(starts, 0.5, ends)
    assert borders is not None
    assert borders[0] == starts[0]
    assert borders[-1] == ends[-1]
    np.testing.assert_allclose(borders[1:-1], 0.5 * (starts[1:] + ends[:-1]))


def test_one_angle_that_is_a_mistake_is_left_out():
    starts = 0.5 * np.arange(20) + 0.05 * np.sin(np.arange(20))
    wrong = starts.copy()
    wrong[7] = 0.0
    good, found = uneven_angles(starts, 0.5), uneven_angles(wrong, 0.5)
    assert good
    assert found
    np.testing.assert_allclose(found, good, atol=0.1)


def test_angles_that_do_not_go_on_are_none():
    assert uneven_angles(np.random.default_rng(0).uniform(0, 360, 20), 0.5) is None


def test_a_sweep_has_the_angles_of_its_images():
    starts = np.concatenate([jittered(30, 0.5, 0.2, 1), 350.0 + jittered(30, 0.5, 0.2, 2)]) % 360.0
    one, two = sweeps(starts)
    assert (one.first, one.stop, two.first, two.stop) == (0, 30, 30, 60)
    for sweep in (one, two):
        assert sweep.angles is not None
        assert len(sweep.angles) == 31
        # up to noise that goes back
        off = (np.array(sweep.angles[:-1]) - starts[sweep.first : sweep.stop] + 180) % 360 - 180
        assert np.abs(off).max() < 0.1
