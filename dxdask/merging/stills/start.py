"""First parameters of post-refinement: a width of partiality and a scale for each still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.merging.stills.fit import N_PARAMETERS, RADIUS, SCALE, TAIL
from dxdask.merging.stills.observations import StillObservations
from dxdask.merging.stills.partiality import partialities

_BINS = 60
_WIDTHS = np.geomspace(1e-5, 1e-2, 121)
_LEAST_SCALE = 0.02  # of the median: a still of noise has none


def first_radius(o: StillObservations, tail: float) -> float:
    """Return the standard deviation of the partiality in the excitation error, 1/A.

    It is the one whose partiality fits the mean intensities in bins of excitation error best.
    """
    error = np.abs(o.excitation)
    edges = np.quantile(error, np.linspace(0, 1, _BINS + 1))
    place = np.clip(np.searchsorted(edges, error, side="right") - 1, 0, _BINS - 1)
    counts = np.bincount(place, minlength=_BINS)
    kept = counts > 0
    middle = np.bincount(place, weights=error, minlength=_BINS)[kept] / counts[kept]
    mean = np.bincount(place, weights=o.intensity, minlength=_BINS)[kept] / counts[kept]
    weight = counts[kept].astype(np.float64)
    costs = np.empty(len(_WIDTHS))
    for k, width in enumerate(_WIDTHS):
        p = partialities(middle / width, tail)
        factor = (weight * p * mean).sum() / (weight * p * p).sum()
        costs[k] = (weight * (mean - factor * p) ** 2).sum()
    return float(_WIDTHS[np.argmin(costs)])


def first_parameters(
    o: StillObservations, shell: NDArray[np.int64], radius: float, tail: float
) -> Floats:
    """Return the first parameters (stills, 8), with scales from mean intensities by shell.

    Raises
    ------
    InputError
        There is no intensity near the Ewald sphere.
    """
    p = partialities(o.excitation / radius, tail)
    n_stills, n_shells = len(o.stills), int(shell.max()) + 1
    place = shell[o.place]
    scale, mean = np.ones(n_stills), np.ones(n_shells)
    for _ in range(5):
        model = p * scale[o.still]
        top = np.bincount(place, weights=model * o.intensity, minlength=n_shells)
        mean = top / np.maximum(np.bincount(place, weights=model**2, minlength=n_shells), 1e-300)
        model = p * mean[place]
        top = np.bincount(o.still, weights=model * o.intensity, minlength=n_stills)
        bottom = np.bincount(o.still, weights=model**2, minlength=n_stills)
        scale = top / np.maximum(bottom, 1e-300)
        median = float(np.median(scale))
        if not median > 0:
            raise InputError(
                f"most of {n_stills} stills have no intensity near the Ewald sphere: check the "
                "indexing, or the background of integration"
            )
        scale = np.maximum(scale / median, _LEAST_SCALE)
    theta = np.zeros((n_stills, N_PARAMETERS))
    theta[:, SCALE], theta[:, RADIUS] = np.log(scale * median), np.log(radius)
    theta[:, TAIL] = np.log(tail)
    return theta
