"""Reference intensities in the fit of the scales.

A reference intensity is one more observation of its group of equivalents, of scale 1 and without
parameters; so the scales are those from the reference to the observations, and their mean and mean
B factor are determined, too. Means and merged intensities do not contain it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gemmi
import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling.design import Design
from dxdask.scaling.observations import Observations

if TYPE_CHECKING:
    from dxdask.reindex import Reference

FEWEST = 50
LEAST_CORRELATION = 0.3
RELATIVE_ERROR, ABSOLUTE_ERROR = 0.03, 0.05
"""Of a reference intensity: parts of itself, and of the mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceRows:
    """Where reference intensities go among n observations.

    Attributes
    ----------
    offsets : (n_groups + 1,) of the groups with them. own : (n,) places of the observations.
    places : (k,) of the reference intensities. intensity, weight : (k,). mean : of them.
    """

    offsets: NDArray[np.int64]
    own: NDArray[np.int64]
    places: NDArray[np.int64]
    intensity: Floats
    weight: Floats
    mean: float

    def joined(self, values: Floats, more: Floats) -> Floats:
        """Return values of observations (n,) and of the reference (k,) in order."""
        out = np.empty(len(self.own) + len(self.places))
        out[self.own], out[self.places] = values, more
        return out

    def design(self, design: Design) -> Design:
        """Return the design with rows without parameters for the reference."""
        n, k = len(self.own) + len(self.places), len(self.places)
        parts = []
        for values in design.arrays:
            out = np.zeros((n, *values.shape[1:]), dtype=values.dtype)
            out[self.own] = values
            parts.append(out)
        index, value, first, dense = parts
        first[self.places] = np.full(k, -1, np.int32)
        return Design(index=index, value=value, first=first, dense=dense)


def reference_rows(
    obs: Observations, reference: Reference, group: gemmi.SpaceGroup
) -> ReferenceRows:
    """Return the reference intensities of the groups of equivalents.

    Raises
    ------
    InputError
        It has no intensities, few in common with the observations, or is of other axes.
    """
    if reference.hkl is None or reference.intensity is None:
        raise InputError(f"{reference.name} has no intensities to scale against")
    keys, mean = _merged(reference.hkl, reference.intensity, group)
    # anomalous pairs are scaled against the mean of both
    wanted = pack(asu_indices(obs.hkl, group)[0])
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    groups = np.flatnonzero(keys[at] == wanted)
    intensity = mean[at[groups]]
    own = np.bincount(obs.group, obs.intensity) / np.diff(obs.offsets)
    _require_alike(own[groups], intensity, reference.name)
    sizes = np.diff(obs.offsets)
    more = np.zeros(len(sizes), dtype=np.int64)
    more[groups] = 1
    offsets = np.concatenate([[0], np.cumsum(sizes + more)])
    before = np.cumsum(more)
    scale = float(np.abs(intensity).mean())
    error = np.hypot(RELATIVE_ERROR * intensity, ABSOLUTE_ERROR * scale)
    return ReferenceRows(
        offsets=offsets, own=np.arange(len(obs)) + before[obs.group], places=offsets[groups],
        intensity=intensity, weight=error**-2.0, mean=scale,
    )  # fmt: skip


def _merged(
    hkl: Integers, intensity: Floats, group: gemmi.SpaceGroup
) -> tuple[NDArray[np.int64], Floats]:
    keys, row = np.unique(pack(asu_indices(hkl.astype(np.int32), group)[0]), return_inverse=True)
    return keys, np.bincount(row, intensity) / np.bincount(row)


def _require_alike(own: Floats, reference: Floats, name: str) -> None:
    if len(own) < FEWEST:
        raise InputError(
            f"{len(own)} unique reflections in common with {name} are too few to scale against; "
            "give a reference of the same crystal form"
        )
    correlation = float(scipy.stats.spearmanr(own, reference).statistic)
    if not correlation >= LEAST_CORRELATION:
        raise InputError(
            f"intensities correlate by {correlation:.2f} with those of {name}: other axes or "
            "another crystal form; bring them to its axes with dxdask symmetry "
            "reference.reflections= or reference.experiments="
        )
