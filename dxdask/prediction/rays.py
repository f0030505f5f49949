"""Rays on the detector, in numba: panels as arrays, and the pixel that a ray strikes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector, Panel, parallax


class PanelArrays(NamedTuple):
    """A detector's panels, one row each.

    inverse_d: (p, 3, 3), 1/mm; axes: (p, 2, 3) fast and slow; normal: (p, 3) pointing away from the
    sample; pixel_size: (p, 2) mm; image_size: (p, 2) px; offset: (p, 2) px in the stored frame;
    sensor: (p, 3) mu (1/mm) and thickness (mm), both 0 where there is no parallax to correct, and
    1 where its law is that of dxtbx, else 0.
    """

    inverse_d: Floats
    axes: Floats
    normal: Floats
    pixel_size: Floats
    image_size: NDArray[np.int64]
    offset: NDArray[np.int64]
    sensor: Floats


def panel_arrays(detector: Detector) -> PanelArrays:
    """Return the detector's panels as arrays."""
    panels = detector.panels
    normals = np.array([p.normal for p in panels])
    towards = np.einsum("pi,pi->p", normals, np.array([p.origin for p in panels]))
    return PanelArrays(
        inverse_d=np.array([p.inverse_d_matrix for p in panels]),
        axes=np.array([[p.fast_axis, p.slow_axis] for p in panels]),
        normal=np.where(towards < 0, -1.0, 1.0)[:, None] * normals,
        pixel_size=np.array([p.pixel_size for p in panels], dtype=np.float64),
        image_size=np.array([p.image_size for p in panels], dtype=np.int64),
        offset=np.array([p.offset for p in panels], dtype=np.int64),
        sensor=np.array([_sensor(p) for p in panels]),
    )


def _sensor(panel: Panel) -> tuple[float, float, float]:
    if not (panel.use_parallax and panel.mu > 0.0 and panel.thickness > 0.0):
        return 0.0, 0.0, 0.0
    return panel.mu, panel.thickness, float(panel.parallax_law == "dxtbx")


_compiled = njit(cache=True, nogil=True, error_model="numpy")
_absorbed = _compiled(parallax.absorbed_mean_path)
_dxtbx = _compiled(parallax.dxtbx_mean_path)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_path(sensor: Any, cosine: float) -> Any:
    """Return the mean path, mm, of photons at an angle to the normal of a sensor (3,)."""
    mu, path = sensor[0], sensor[1] / cosine
    return _dxtbx(path, mu) if sensor[2] > 0.0 else _absorbed(path, mu)


@njit(cache=True, nogil=True, error_model="numpy")
def strike(panels: Any, p: int, sx: float, sy: float, sz: float) -> Any:
    """Return x_mm, y_mm (mm) and x, y (px) of a ray on the plane of panel p; NaN if it misses.

    x, y include the shift by parallax, as in `dxdask.models.parallax`.
    """
    m = panels.inverse_d[p]
    w = m[2, 0] * sx + m[2, 1] * sy + m[2, 2] * sz
    if not w > 0.0:
        return np.nan, np.nan, np.nan, np.nan
    x_mm = (m[0, 0] * sx + m[0, 1] * sy + m[0, 2] * sz) / w
    y_mm = (m[1, 0] * sx + m[1, 1] * sy + m[1, 2] * sz) / w
    shift_x, shift_y = 0.0, 0.0
    if panels.sensor[p, 0] > 0.0:
        norm = np.sqrt(sx * sx + sy * sy + sz * sz)
        n, fast, slow = panels.normal[p], panels.axes[p, 0], panels.axes[p, 1]
        cosine = (n[0] * sx + n[1] * sy + n[2] * sz) / norm
        depth = mean_path(panels.sensor[p], cosine) / norm
        shift_x = depth * (fast[0] * sx + fast[1] * sy + fast[2] * sz)
        shift_y = depth * (slow[0] * sx + slow[1] * sy + slow[2] * sz)
    x = (x_mm + shift_x) / panels.pixel_size[p, 0]
    y = (y_mm + shift_y) / panels.pixel_size[p, 1]
    return x_mm, y_mm, x, y


@njit(cache=True, nogil=True, error_model="numpy")
def find_panel(panels: Any, sx: float, sy: float, sz: float) -> Any:
    """Return the first panel that the ray strikes (-1 for none) and x_mm, y_mm, x, y on it."""
    for p in range(len(panels.image_size)):
        x_mm, y_mm, x, y = strike(panels, p, sx, sy, sz)
        if 0.0 <= x < panels.image_size[p, 0] and 0.0 <= y < panels.image_size[p, 1]:
            return p, x_mm, y_mm, x, y
    return -1, np.nan, np.nan, np.nan, np.nan
