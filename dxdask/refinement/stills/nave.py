"""Domain size and mosaicity of a crystal, from the distances of its spots from the Ewald sphere."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.stills.measurements import Measurements

SOFTNESS = 0.2
"""Width of the edge of the envelope, as a part of its reach."""
MIN_SPOTS = 5
LARGEST_SIZE = 1e5
"""Domain size, A, of a crystal whose blocks are too large to be measured."""
_GOLDEN = 0.6180339887498949
_ROUNDS_REACH = 40
_ROUNDS_SHARE = 24


class NaveParameters(NamedTuple):
    """Domain sizes (stills,), A, and half mosaicities (stills,), degree; NaN with too few spots."""

    domain_size: Floats
    half_mosaicity: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _pull(scale: float, share: float, eps: Any, across: Any, band: Any, mean: float) -> Any:
    """Return the log-likelihood of the scale (1/A) of the reach, and its derivative by log scale.

    reach^2 = scale^2 (1 - share + share (across / mean)^2) + band^2.
    """
    value, slope = 0.0, 0.0
    for i in range(len(eps)):
        own = scale * scale * (1.0 - share + share * (across[i] / mean) ** 2)
        reach2 = own + band[i] * band[i]
        t = abs(eps[i]) / np.sqrt(reach2)
        z = (t - 1.0) / SOFTNESS
        # density of t falls off as 1 / (1 + exp z)
        soft = z + np.log1p(np.exp(-z)) if z > 0.0 else np.log1p(np.exp(z))
        value -= 0.5 * np.log(reach2) + soft
        slope += (t / SOFTNESS / (1.0 + np.exp(-z)) - 1.0) * own / reach2
    return value, slope


@njit(cache=True, nogil=True, error_model="numpy")
def _best_scale(share: float, eps: Any, across: Any, band: Any, mean: float, most: float) -> Any:
    """Return the likeliest scale (1/A) and its log-likelihood: bisection of the slope."""
    low, high = np.log(1e-3 * most), np.log(4.0 * most)
    for _ in range(_ROUNDS_REACH):
        middle = 0.5 * (low + high)
        if _pull(np.exp(middle), share, eps, across, band, mean)[1] > 0.0:
            low = middle
        else:
            high = middle
        if high - low < 1e-4:
            break
    scale = np.exp(0.5 * (low + high))
    return scale, _pull(scale, share, eps, across, band, mean)[0]


@njit(cache=True, nogil=True, error_model="numpy")
def envelope(eps: Any, across: Any, band: Any) -> Any:
    """Return the likeliest reach by size (1/A) and by mosaicity (rad) of the spots of one still.

    eps : (n,) excitation errors, 1/A. across : (n,) |q| cos theta, 1/A, by which the rotation of
    a block moves its point along the excitation error. band : (n,) reach by the spectrum, 1/A.
    """
    most = max(np.abs(eps).max(), 1e-9)
    mean = np.sqrt((across * across).mean())
    low, high = 0.0, 1.0
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    value_a = _best_scale(a, eps, across, band, mean, most)[1]
    value_b = _best_scale(b, eps, across, band, mean, most)[1]
    for _ in range(_ROUNDS_SHARE):
        if value_a >= value_b:
            high, b, value_b = b, a, value_a
            a = high - _GOLDEN * (high - low)
            value_a = _best_scale(a, eps, across, band, mean, most)[1]
        else:
            low, a, value_a = a, b, value_b
            b = low + _GOLDEN * (high - low)
            value_b = _best_scale(b, eps, across, band, mean, most)[1]
        if high - low < 1e-3:
            break
    share = 0.5 * (low + high)
    share = 0.0 if share < 2e-3 else 1.0 if share > 1.0 - 2e-3 else share
    scale = _best_scale(share, eps, across, band, mean, most)[0]
    return scale * np.sqrt(1.0 - share), scale * np.sqrt(share) / mean


def nave_parameters(
    measured: Measurements,
    crystals: Crystals,
    beam: Floats,
    *,
    bandwidth: float = 0.0,
    used: NDArray[np.bool_] | None = None,
) -> NaveParameters:
    """Return domain size and half mosaicity of each still.

    The reach of a lattice point is 1 / (2 domain_size) by the size of the blocks, and |q| cos theta
    half_mosaicity by their orientations (Nave 2014, J. Synchrotron Rad. 21, 537); the two and the
    spectrum add in quadrature. Spots occur evenly up to that reach, with a soft edge, and both
    parameters are those that make the spots seen likeliest (Sauter et al. 2014, Acta Cryst. D70,
    3299). No still depends on others.

    measured : spots of indexed stills, in order of stills. beam : (3,) unit vector along the beam.
    bandwidth : full width of the spectrum, relative. used : (n,) spots to use; None: all.
    """
    chosen = np.arange(len(measured.still)) if used is None else np.flatnonzero(used)
    still, wavelength = measured.still[chosen], measured.wavelength[chosen]
    q = np.einsum("nij,nj->ni", crystals.a[still], measured.hkl[chosen])
    eps = np.linalg.norm(q + beam / wavelength[:, None], axis=1) - 1.0 / wavelength
    q2 = (q * q).sum(axis=1)
    across = np.sqrt(np.maximum(q2 * (1.0 - 0.25 * wavelength**2 * q2), 0.0))
    band = 0.25 * bandwidth * wavelength * q2
    ends = np.searchsorted(still, np.arange(len(measured.rows) + 1))
    size, mosaicity = np.full(len(ends) - 1, np.nan), np.full(len(ends) - 1, np.nan)
    for i in range(len(size)):
        a, b = ends[i], ends[i + 1]
        if b - a >= MIN_SPOTS:
            reach, angle = envelope(eps[a:b], across[a:b], band[a:b])
            size[i] = min(0.5 / max(reach, 1e-9), LARGEST_SIZE)
            mosaicity[i] = np.degrees(angle)
    return NaveParameters(size, mosaicity)
