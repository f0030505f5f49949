"""Background of a ring of ice on the frames of `painted_frames`."""

from __future__ import annotations

import numpy as np

from dxdask.models import Experiment


def radii(e: Experiment) -> np.ndarray:
    """Return the distance (slow, fast) of pixels from the beam, px, by their scattering angle."""
    panel = e.detector[0]
    width, height = panel.image_size
    xy = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    rays = panel.lab_coordinates(panel.pixel_to_mm(xy.reshape(-1, 2)))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    angle = np.arccos(rays @ e.beam.s0 / np.linalg.norm(e.beam.s0))
    return (np.tan(angle) * 400.0).reshape(height, width)


def ice_ring(
    e: Experiment, background: float, *, radius: float = 100.0, width: float = 2.5
) -> np.ndarray:
    """Return a background (slow, fast) with a ring of five times its height, photons.

    radius, width : of the ring and its standard deviation, px.
    """
    off = (radii(e) - radius) / width
    return background * (1.0 + 4.0 * np.exp(-0.5 * off**2))
