"""Regions against masks written out by hand, and regions that are not on the panel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import InputError
from dxdask.masking import MaskParameters, masked_for, panel_masks
from dxdask.masking.shapes import border
from dxdask.models import Beam, Detector, Panel

BEAM = Beam()
WIDTH, HEIGHT = 40, 30
PANEL = Panel(image_size=(WIDTH, HEIGHT), origin=(-2.0, 1.5, -50.0))
OTHER = Panel(image_size=(20, 25), origin=(3.0, 1.5, -50.0), offset=(45, 0))
DETECTOR = Detector(panels=(PANEL, OTHER))
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]


def masked(*regions: dict[str, Any], panel: int = 0) -> Any:
    """Return the pixels of a panel that these regions mask."""
    return masked_for(DETECTOR, BEAM, MaskParameters(untrusted=regions))[panel]["untrusted"]


def test_a_circle_is_by_index_and_its_edge_is_not_in_it() -> None:
    found = masked({"circle": (10, 12, 5)})
    np.testing.assert_array_equal(found, (X - 10) ** 2 + (Y - 12) ** 2 < 25)
    assert not found[12, 15]
    assert found[12, 14]


def test_a_circle_may_reach_over_the_edge() -> None:
    found = masked({"circle": (-2, 29, 6)})
    np.testing.assert_array_equal(found, (X + 2) ** 2 + (Y - 29) ** 2 < 36)


def test_a_rectangle_without_its_far_sides() -> None:
    found = masked({"rectangle": (3, 7, 10, 30)})
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[10:30, 3:7] = True
    np.testing.assert_array_equal(found, expected)


def test_a_pixel_is_slow_fast() -> None:
    assert np.argwhere(masked({"pixel": (4, 9)})).tolist() == [[4, 9]]


def test_a_polygon_takes_the_centres_inside() -> None:
    rectangle = masked({"polygon": (3, 10, 7, 10, 7, 30, 3, 30)})
    np.testing.assert_array_equal(rectangle, masked({"rectangle": (3, 7, 10, 30)}))
    triangle = masked({"polygon": (0, 0, 20, 0, 0, 20)})
    np.testing.assert_array_equal(triangle, (X + 0.5) + (Y + 0.5) < 20)
    # a bow tie: what is wound round twice is outside (even-odd rule)
    star = masked({"polygon": (20, 0, 32, 30, 2, 10, 38, 10, 8, 30)})
    assert star[5, 20]
    assert not star[14, 20]


def test_a_polygon_may_reach_over_the_edge() -> None:
    found = masked({"polygon": (30, 20, 90, 20, 90, 90, 30, 90)})
    np.testing.assert_array_equal(found, (X >= 30) & (Y >= 20))


def test_panels() -> None:
    assert masked({"panel": 1}, panel=1).all()
    assert not masked({"panel": 1}, panel=0).any()
    shapes = {"panel": 1, "rectangle": (0, 20, 0, 1), "pixel": (24, 19)}
    assert masked(shapes, panel=1).sum() == 21
    assert not masked(shapes, panel=0).any()
    assert masked({"pixel": (0, 0)}, panel=0).sum() == 1
    assert not masked({"pixel": (0, 0)}, panel=1).any()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ({"circle": (60, 10, 5)}, r"untrusted\.circle=60,10,5 is outside panel 0, .* 40 x 30"),
        ({"circle": (-9, -9, 9)}, r"untrusted\.circle=-9,-9,9 is outside"),
        ({"rectangle": (0, 41, 0, 5)}, r"untrusted\.rectangle=0,41,0,5 is outside panel 0"),
        ({"rectangle": (0, 21, 0, 5), "panel": 1}, r"outside panel 1, which is 20 x 25"),
        ({"polygon": (50, 0, 60, 0, 55, 9)}, r"untrusted\.polygon=50,0,60,0,55,9 is outside"),
        ({"pixel": (30, 0)}, r"untrusted\.pixel=30,0 is outside"),
        ({"pixel": (0, 40)}, r"untrusted\.pixel=0,40 is outside"),
        ({"panel": 2}, r"untrusted\.panel=2: the detector has panels 0 to 1"),
    ],
)
def test_what_is_not_on_the_panel_is_refused(region: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        masked(region)


def test_border() -> None:
    expected = np.ones((HEIGHT, WIDTH), bool)
    expected[3:-3, 3:-3] = False
    np.testing.assert_array_equal(border((HEIGHT, WIDTH), 3), expected)
    assert not border((HEIGHT, WIDTH), 0).any()
    assert border((HEIGHT, WIDTH), 15).all()
    assert border((HEIGHT, WIDTH), 1000).all()


N = st.integers(0, 29)
REGION = st.one_of(
    st.builds(lambda x, y, r: {"circle": (x, y, r)}, N, N, st.integers(1, 20)),
    st.builds(lambda x, y, w, h: {"rectangle": (x, x + w, y, y + h)}, N, st.integers(0, 15),
              st.integers(1, 10), st.integers(1, 15)),
    st.builds(lambda c: {"polygon": tuple(c)}, st.lists(N, min_size=6, max_size=6)),
    st.builds(lambda y, x: {"pixel": (y, x)}, N, N),
)  # fmt: skip


@given(st.lists(REGION, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_regions_add_up_in_any_order_and_once(regions: list[dict[str, Any]], random: Any) -> None:
    whole = masked(*regions)
    parts = np.logical_or.reduce([masked(r) for r in regions])
    np.testing.assert_array_equal(whole, parts)
    shuffled = regions * 2
    random.shuffle(shuffled)
    np.testing.assert_array_equal(masked(*shuffled), whole)


@given(st.lists(REGION, max_size=3), st.integers(0, 9))
def test_a_mask_applied_twice_is_the_mask(regions: list[dict[str, Any]], width: int) -> None:
    parameters = MaskParameters(untrusted=tuple(regions), border=width)
    frame = np.ones((30, 65), bool)
    once = panel_masks(DETECTOR, BEAM, frame, parameters)
    for panel, mask in zip(DETECTOR.panels, once, strict=True):
        frame[panel.slices] = mask
    for first, second in zip(once, panel_masks(DETECTOR, BEAM, frame, parameters), strict=True):
        np.testing.assert_array_equal(first, second)
