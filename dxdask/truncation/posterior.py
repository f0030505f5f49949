"""Posterior moments of true intensities given measured ones (French & Wilson 1978, A34, 517).

A true intensity J >= 0 has Wilson's prior of mean S; the measured I has a normal error sigma. With
x = J / sigma and h = I / sigma - sigma / S (acentric), I / sigma - sigma / (2 S) (centric) the
posterior is x^(nu - 1) exp(-(x - h)^2 / 2) with nu = 1 and 1/2: its moments depend on h alone. They
are integrated once on a grid of h over u = sqrt(x), where both integrands are smooth; beyond the
grid their series are used.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask

LOW, HIGH, STEP = -40.0, 40.0, 0.02
_POINTS = 1200


def moments(h: Floats, centric: Mask) -> tuple[Floats, Floats, Floats]:
    """Return E[x], E[sqrt x] and the standard deviation of sqrt x, each (n,).

    h : (n,), finite. centric : (n,).
    """
    x, root, spread = np.empty_like(h), np.empty_like(h), np.empty_like(h)
    for value in (False, True):
        rows = np.flatnonzero(centric == value)
        x[rows], root[rows], spread[rows] = _of_kind(h[rows], value)
    return x, root, spread


def _of_kind(h: Floats, centric: bool) -> tuple[Floats, Floats, Floats]:
    table = _splines(centric)(np.clip(h, LOW, HIGH))
    x, root, spread = table.T.copy()
    low, high = h < LOW, h > HIGH
    # far below zero x is of the gamma distribution of shape nu and scale 1 / |h|: all moments keep
    # their ratios to those at the end of the grid
    shrink = np.sqrt(LOW / np.minimum(h, LOW))
    x = np.where(low, x * shrink**2, x)
    root, spread = np.where(low, root * shrink, root), np.where(low, spread * shrink, spread)
    large = np.maximum(h, HIGH)
    shift = -0.5 / large if centric else np.zeros_like(large)
    x = np.where(high, large + shift, x)
    root = np.where(high, np.sqrt(large) * (1 + shift / (2 * large) - 0.125 / large**2), root)
    spread = np.where(high, 0.5 / np.sqrt(large), spread)
    return x, root, spread


@cache
def _splines(centric: bool) -> scipy.interpolate.CubicSpline[np.float64]:
    h = np.linspace(LOW, HIGH, round((HIGH - LOW) / STEP) + 1)
    return scipy.interpolate.CubicSpline(h, np.column_stack(integrate(h, centric)))


def integrate(h: Floats, centric: bool) -> tuple[Floats, Floats, Floats]:
    """Return the moments of `moments` by the trapezoidal rule in u; h (n,) from -40 to 40."""
    # the exponent -(u^2 - h)^2 / 2 has fallen by more than 45 beyond these ends
    excess = np.where(h < 0, -h, 0.0)
    top = np.sqrt(np.maximum(h, 0.0) + np.sqrt(90.0 + excess**2) - excess)
    bottom = np.sqrt(np.maximum(h - np.sqrt(90.0), 0.0))
    t: NDArray[np.float64] = np.linspace(0.0, 1.0, _POINTS)
    u = bottom[:, None] + (top - bottom)[:, None] * t
    log = -0.5 * ((u**2 - h[:, None]) ** 2 - np.minimum(h, 0.0)[:, None] ** 2)
    weight = np.exp(log) * (1.0 if centric else u)
    weight[:, [0, -1]] *= 0.5
    total = weight.sum(axis=1)
    root = (weight * u).sum(axis=1) / total
    x = (weight * u**2).sum(axis=1) / total
    spread = np.sqrt((weight * (u - root[:, None]) ** 2).sum(axis=1) / total)
    return x, root, spread
