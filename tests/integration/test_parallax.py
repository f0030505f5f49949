"""Kernels of integration convert between rays, pixels and mm as the model of the panel does."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from dxdask.integration.widths import spreads
from dxdask.models import Detector, Panel
from dxdask.models.parallax import Law
from dxdask.models.rotations import rotation_matrices
from dxdask.prediction.rays import panel_arrays, strike

PANEL = Panel(
    origin=(-40.0, 40.0, -80.0), pixel_size=(0.1, 0.08), image_size=(800, 1000),
    thickness=1.0, material="Si", mu=2.0, use_parallax=True,
).moved(rotation_matrices(np.array([[0.2, -0.3, 0.1]]))[0])  # fmt: skip
PIXELS = np.array([(0, 0), (799, 3), (400, 500), (17, 999)], dtype=np.int64)
PANELS = [
    *(replace(PANEL, parallax_law=law) for law in get_args(Law)),
    replace(PANEL, use_parallax=False),
    replace(PANEL, mu=0.0),
]


@pytest.fixture(params=PANELS, ids=[*get_args(Law), "none", "unknown"])
def panel(request: pytest.FixtureRequest) -> Panel:
    return request.param


def test_rays_strike_where_the_model_says(panel: Panel) -> None:
    arrays = panel_arrays(Detector(panels=(panel,)))
    rays = 0.7 * panel.lab_coordinates(panel.pixel_to_mm(PIXELS))
    found = np.array([strike(arrays, 0, *ray) for ray in rays])
    mm = panel.ray_intersection(rays)
    np.testing.assert_allclose(found[:, :2], mm, atol=1e-10)
    np.testing.assert_allclose(found[:, 2:], panel.mm_to_pixel(mm), atol=1e-9)


def test_pixels_are_seen_along_the_rays_of_the_model(panel: Panel) -> None:
    arrays = panel_arrays(Detector(panels=(panel,)))
    s1 = panel.lab_coordinates(panel.pixel_to_mm(PIXELS + 0.5))
    s1 /= np.linalg.norm(s1, axis=1)[:, None]
    n = len(PIXELS)
    total, spread = np.zeros(n), np.zeros(n)
    spreads(
        np.arange(n), np.zeros(n, np.int64), PIXELS[:, 0], PIXELS[:, 1], np.ones(n), s1,
        panel.d_matrix[None], arrays.normal, arrays.pixel_size, arrays.sensor, total, spread,
    )  # fmt: skip
    np.testing.assert_array_equal(total, 1.0)
    np.testing.assert_allclose(np.sqrt(spread), 0.0, atol=1e-12)
