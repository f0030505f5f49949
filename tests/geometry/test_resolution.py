"""Resolution on a detector, against Bragg's law."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.geometry.resolution import corner_resolution, resolution_at
from dxdask.models import Beam, Detector, Panel

S0 = Beam(wavelength=0.8).s0
PANEL = Panel(origin=(-10.0, 10.0, -50.0), pixel_size=(0.1, 0.2), image_size=(200, 100))


def test_resolution_is_braggs_law() -> None:
    xy = np.array([(100.0, 50.0), (150.0, 50.0), (100.0, 0.0), (0.0, 100.0)])
    two_theta = np.arctan2([5.0, 10.0, np.hypot(10.0, 10.0)], 50.0)
    d = resolution_at(PANEL, xy, S0)
    assert np.isinf(d[0])
    np.testing.assert_allclose(d[1:], 0.8 / (2.0 * np.sin(0.5 * two_theta)), rtol=1e-12)


def test_the_corners_hold_the_finest() -> None:
    far = Panel(origin=(20.0, 10.0, -50.0), pixel_size=(0.1, 0.2), image_size=(200, 100))
    finest = 0.8 / (2.0 * np.sin(0.5 * np.arctan2(np.hypot(40.0, 10.0), 50.0)))
    assert corner_resolution(Detector(panels=(PANEL, far)), S0) == pytest.approx(finest, rel=1e-12)
