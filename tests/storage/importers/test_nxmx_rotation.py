"""Sweeps in the angles of images."""

import numpy as np
import pytest

from dxdask.errors import FormatError
from dxdask.storage.importers.nxmx.rotation import UNEVEN, sweeps


def ranges(found):
    return [(s.first, s.stop) for s in found]


@pytest.mark.parametrize(
    ("start", "width", "n"),
    [(0.0, 0.1, 3600), (24.0, -0.8, 30), (-720.0, 0.25, 7), (352.0, 0.5, 2)],
)
def test_even_steps_are_one_sweep(start, width, n):
    (sweep,) = sweeps(start + width * np.arange(n))
    assert (sweep.start, sweep.width) == pytest.approx((start, width), abs=1e-12)


def test_angles_past_a_whole_turn():
    (sweep,) = sweeps(np.array([359.0, 359.5, 0.0, 0.5]))
    assert (sweep.start, sweep.width) == (359.0, 0.5)


def test_angles_that_are_read_back():
    """The width is better than that of any step, and the start that of no single image."""
    rng = np.random.default_rng(4)
    angles = 10.0 + 0.1 * np.arange(900) + rng.uniform(-0.02, 0.02, 900)
    (sweep,) = sweeps(angles)
    assert sweep.width == pytest.approx(0.1, abs=2e-5)
    assert sweep.start == pytest.approx(10.0, abs=0.01)
    assert sweep.departure > UNEVEN * sweep.width


def test_a_slow_start():
    angles = 0.8 * np.arange(30)
    angles[1:] -= 0.35
    (sweep,) = sweeps(angles)
    assert (sweep.start, sweep.width) == pytest.approx((-0.35, 0.8), abs=1e-9)
    assert sweep.worst == 0


@pytest.mark.parametrize("widths", [None, np.array([0.1]), np.array([-0.1]), np.full(9, 0.1)])
def test_wedges_with_gaps(widths):
    angles = np.concatenate([a + 0.1 * np.arange(3) for a in (0.0, 45.0, 90.0)])
    found = sweeps(angles, widths)
    assert ranges(found) == [(0, 3), (3, 6), (6, 9)]
    assert [s.start for s in found] == pytest.approx([0.0, 45.0, 90.0])
    assert [s.width for s in found] == pytest.approx([0.1] * 3)


def test_images_that_are_not_there_break_a_sweep():
    images = np.array([0, 1, 4, 5])
    found = sweeps(0.5 * images, None, images)
    assert ranges(found) == [(0, 2), (2, 4)]
    assert [s.start for s in found] == [0.0, 2.0]


def test_the_same_wedge_again():
    angles = np.tile(0.1 * np.arange(5), 2)
    assert ranges(sweeps(angles, np.full(10, 0.1))) == [(0, 5), (5, 10)]


def test_stills():
    (sweep,) = sweeps(np.full(5, 30.0))
    assert (sweep.start, sweep.width) == (30.0, 0.0)


def test_angles_of_no_width_are_refused():
    with pytest.raises(FormatError, match="not evenly spaced"):
        sweeps(np.random.default_rng(0).uniform(0, 360, 20))
    with pytest.raises(FormatError, match=r"are all 5 degrees, and each image rotates by 0.1"):
        sweeps(np.full(4, 5.0), np.array([0.1]))
