"""Modules of a panel: known ones, those between masked bands, those between bands without spots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxdask.models import Panel
from dxdask.refinement.modules.borders import module_rectangles, valid_pixels
from dxdask.refinement.modules.layouts import known_modules

SIZES = {
    "PILATUS 6M": ((2463, 2527), 60, (487, 195)),
    "PILATUS 300K": ((487, 619), 3, (487, 195)),
    "EIGER 4M": ((2070, 2167), 8, (1030, 514)),
    "EIGER2 16M": ((4148, 4362), 32, (1028, 512)),
    "JUNGFRAU 4M": ((2068, 2164), 8, (1030, 514)),
    "JUNGFRAU 1M": ((1024, 1060), 2, (1024, 512)),
}


@pytest.mark.parametrize("name", list(SIZES))
def test_known_detectors(name):
    size, count, module = SIZES[name]
    found = known_modules(size)
    assert len(found) == count
    assert {(x1 - x0, y1 - y0) for x0, y0, x1, y1 in found} == {module}
    assert (found[0][:2], found[-1][2:]) == ((0, 0), size)
    panel = Panel(image_size=size)
    assert module_rectangles(panel) == found


@pytest.mark.parametrize("size", [(487, 195), (1000, 1000), (2463, 2528), (1024, 1024)])
def test_other_sizes_are_not_known(size):
    assert known_modules(size) == ()
    assert module_rectangles(Panel(image_size=size)) == ((0, 0, *size),)


def test_a_known_size_whose_gaps_are_not_where_the_mask_has_them():
    good = np.ones((1060, 1024), bool)
    good[300:340] = False
    found = module_rectangles(Panel(image_size=(1024, 1060)), good)
    assert found == ((0, 0, 1024, 300), (0, 340, 1024, 1060))


def test_dead_module_of_a_known_detector_is_left_out():
    size, count, _ = SIZES["EIGER 4M"]
    good = np.zeros(size[::-1], bool)
    for x0, y0, x1, y1 in known_modules(size)[1:]:
        good[y0:y1, x0:x1] = True
    assert len(module_rectangles(Panel(image_size=size), good)) == count - 1


def test_masked_rectangles_of_the_panel_are_gaps():
    panel = Panel(image_size=(400, 300), mask=((0, 140, 400, 150), (200, 0, 210, 300)))
    found = module_rectangles(panel)
    assert found == (
        (0, 0, 200, 140), (210, 0, 400, 140), (0, 150, 200, 300), (210, 150, 400, 300),
    )  # fmt: skip


def test_staggered_modules_are_cut_again():
    good = np.ones((300, 300), bool)
    good[140:150] = False
    good[:140, 100:110] = False
    good[150:, 190:200] = False
    found = module_rectangles(Panel(image_size=(300, 300)), good)
    assert found == (
        (0, 0, 100, 140), (110, 0, 300, 140), (0, 150, 190, 300), (200, 150, 300, 300),
    )  # fmt: skip


def test_dead_lines_margins_and_strips_are_no_borders():
    good = np.ones((300, 300), bool)
    good[:20] = good[-9:] = False  # margins
    good[100:103] = False  # a dead line
    good[:, 250:260] = False  # leaves a strip of 40 pixels
    assert module_rectangles(Panel(image_size=(300, 300)), good) == ((0, 0, 300, 300),)


def test_beam_stop_is_no_border():
    good = np.ones((300, 300), bool)
    good[140:160, :170] = False
    assert len(module_rectangles(Panel(image_size=(300, 300)), good)) == 1


def boxes(rng, n, size, gaps):
    xy = rng.uniform(0, size, (n, 2))
    keep = np.ones(n, bool)
    for axis, a, b in gaps:
        keep &= (xy[:, axis] < a - 1) | (xy[:, axis] > b + 1)
    low = np.clip(np.floor(xy[keep]) - 1, 0, None)
    high = np.minimum(np.floor(xy[keep]) + 2, size)
    z = np.zeros(len(low))
    return np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1], z, z]).astype(np.int32)


def test_bands_without_spots_are_gaps():
    rng, panel = np.random.default_rng(2), Panel(image_size=(600, 500))
    found = module_rectangles(panel, None, boxes(rng, 20000, (600, 500), [(1, 240, 260)]))
    (x0, y0, x1, y1), (_, y2, _, y3) = found
    assert (x0, y0, x1, y3) == (0, 0, 600, 500)
    assert y1 == y2
    assert abs(y1 - 250) <= 2


def test_few_spots_show_no_gap():
    rng, panel = np.random.default_rng(3), Panel(image_size=(600, 500))
    for n in (0, 1, 100, 500, 3000):
        assert len(module_rectangles(panel, None, boxes(rng, n, (600, 500), []))) == 1


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_modules_tile_the_valid_pixels(data):
    size = (data.draw(st.integers(100, 500)), data.draw(st.integers(100, 500)))
    good = np.ones(size[::-1], bool)
    for _ in range(data.draw(st.integers(0, 4))):
        axis, at = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 499))
        first, last = sorted(data.draw(st.tuples(st.integers(0, 500), st.integers(0, 500))))
        band = slice(at, at + data.draw(st.integers(1, 30)))
        good[(band, slice(first, last)) if axis else (slice(first, last), band)] = False
    panel = Panel(image_size=size)
    counts = np.zeros(size[::-1], int)
    for x0, y0, x1, y1 in module_rectangles(panel, good):
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]
        counts[y0:y1, x0:x1] += 1
    assert counts.max(initial=0) <= 1
    assert (counts[valid_pixels(panel, good)] == 1).all()
