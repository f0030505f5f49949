"""Experiments grouped by wavelength."""

from __future__ import annotations

import numpy as np

from dxdask.models.experiment import ExperimentList

TOLERANCE = 1e-4
"""Angstrom; as in dials.merge (`wavelength_tolerance`)."""


def wavelength_groups(
    experiments: ExperimentList, tolerance: float = TOLERANCE
) -> list[tuple[float, tuple[int, ...]]]:
    """Return the wavelengths (Angstrom) of experiments, each with the indices of its experiments.

    Wavelengths are the same where each differs from the next one by no more than `tolerance`; that
    of a group is its median. Groups are in the order of their first experiment.
    """
    values = np.array([e.beam.wavelength for e in experiments], dtype=np.float64)
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    # the last digit of a difference of two rounded numbers is not exact
    breaks = np.flatnonzero(np.diff(values[order]) > tolerance * (1 + 1e-6)) + 1
    parts = [np.sort(part) for part in np.split(order, breaks)]
    parts.sort(key=lambda part: int(part[0]))
    return [(float(np.median(values[part])), tuple(part.tolist())) for part in parts]
