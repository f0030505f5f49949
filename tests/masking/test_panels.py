"""Masks of panels: geometry in closed form, and bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dxdask.errors import InputError
from dxdask.geometry.resolution import resolution_at
from dxdask.masking import MaskParameters, panel_masks
from dxdask.models import Beam, Detector, Panel

BEAM = Beam(direction=(0.0, 0.0, 1.0), wavelength=1.0)
PANEL = Panel(
    origin=(-10.0, 10.0, -50.0), slow_axis=(0.0, -1.0, 0.0), pixel_size=(0.1, 0.1),
    image_size=(200, 200),
)  # fmt: skip


def resolution(panel: Panel) -> Any:
    y, x = np.mgrid[: panel.image_size[1], : panel.image_size[0]] + 0.5
    return resolution_at(panel, np.stack([x, y], axis=-1), BEAM.s0)


def usable(panel: Panel = PANEL, mask: Any = None, **parameters: Any) -> Any:
    detector = Detector(panels=(panel,))
    return panel_masks(detector, BEAM, mask, MaskParameters(**parameters))[0]


def test_resolution_is_braggs_law() -> None:
    d = resolution(PANEL)
    radius = np.hypot(*(np.mgrid[0:200, 0:200] + 0.5 - 100)) * 0.1
    two_theta = np.arctan2(radius, 50.0)
    np.testing.assert_allclose(d, 1.0 / (2 * np.sin(two_theta / 2)), rtol=1e-9)


def test_limits_of_resolution() -> None:
    d = resolution(PANEL)
    np.testing.assert_array_equal(usable(d_min=6.0, d_max=20.0), (d > 6.0) & (d < 20.0))
    np.testing.assert_array_equal(
        usable(resolution_range=((8.0, 7.0),)), ~((d >= 7.0) & (d <= 8.0))
    )


def test_ice_rings_are_left_out() -> None:
    good = usable(ice_rings={"filter": True, "width": 0.01})
    d = resolution(PANEL)
    # 100 and 002 of hexagonal ice
    for ring in (4.498 * np.sqrt(3) / 2, 7.338 / 2):
        assert not good[np.abs(1 / d**2 - 1 / ring**2) < 0.004].any()
    assert good[d > 4.2].all()
    assert usable(ice_rings={"filter": False}).all()


def test_border_rectangles_and_mask_of_the_frame() -> None:
    panel = Panel(image_size=(30, 20), offset=(5, 10), mask=((3, 4, 6, 5),))
    frame = np.ones((40, 50), bool)
    frame[12, 8] = False
    good = usable(panel, frame, border=2)
    expected = np.zeros((20, 30), bool)
    expected[2:18, 2:28] = True
    expected[4, 3:6] = False
    expected[2, 3] = False
    np.testing.assert_array_equal(good, expected)
    assert not usable(panel, frame, border=10).any()


def test_a_mask_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="size of the frames"):
        usable(mask=np.ones((10, 10), bool))


def test_no_ring_of_ice_on_the_detector() -> None:
    assert usable(ice_rings={"filter": True, "d_min": 50.0}).all()
    both = usable(ice_rings={"filter": True, "width": 0.01}, d_min=3.0)
    alone = usable(ice_rings={"filter": True, "width": 0.01})
    np.testing.assert_array_equal(both, alone & usable(d_min=3.0))


def test_ranges_that_meet_are_one() -> None:
    d = resolution(PANEL)
    found = usable(resolution_range=((7.0, 8.0), (9.0, 7.5), (20.0, 30.0), (7.2, 7.3)))
    np.testing.assert_array_equal(found, ~((d >= 7) & (d <= 9)) & ~((d >= 20) & (d <= 30)))


def test_parallax_is_allowed_for_unless_it_is_not() -> None:
    thick = replace(PANEL, thickness=1.0, mu=3.0, material="Si", use_parallax=True)
    differ = usable(thick, d_min=5.0) != usable(thick, d_min=5.0, disable_parallax_correction=True)
    assert differ.any()
    np.testing.assert_array_equal(
        usable(thick, d_min=5.0, disable_parallax_correction=True), usable(d_min=5.0)
    )


def test_the_direct_beam_is_at_low_resolution() -> None:
    odd = replace(PANEL, image_size=(201, 201), origin=(-10.05, 10.05, -50.0))
    assert resolution(odd)[100, 100] > 1e6
    assert usable(odd, d_min=5.0)[100, 100]
    assert not usable(odd, d_max=50.0)[100, 100]
