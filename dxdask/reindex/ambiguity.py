"""Correlation of intensities with those of a reference, for each choice of axes.

The choices are the rotations of the lattice that are no rotations of the Laue group, as in Brehm &
Diederichs 2014, Acta Cryst. D70, 101, here against given intensities.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
import scipy

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError
from dxdask.models import Crystal
from dxdask.models.symmetry import Indices, asu_indices, pack, spacings
from dxdask.reindex.reference import Reference, candidate_changes, cosets

FEWEST_PAIRS = 10
PER_SHELL = 100
MOST_SHELLS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A change of basis P (3, 3), its correlation with the reference, and common reflections."""

    basis: Floats
    correlation: float | None
    n_pairs: int


def merged(
    hkl: Integers, intensity: Floats, group: gemmi.SpaceGroup
) -> tuple[Integers, Indices, Floats]:
    """Return unique indices, packed (n,) and as they are (n, 3), and mean intensities (n,)."""
    asu, _ = asu_indices(np.asarray(hkl, dtype=np.int32), group)
    packed, first, row = np.unique(pack(asu), return_index=True, return_inverse=True)
    mean = np.bincount(row, intensity, len(packed)) / np.maximum(np.bincount(row), 1)
    return packed, asu[first], mean


def normalised(intensity: Floats, d: Floats) -> Floats:
    """Return intensities (n,) over the mean of their resolution shell."""
    n = int(np.clip(len(d) // PER_SHELL, 1, MOST_SHELLS))
    edges = np.quantile(d, np.linspace(0.0, 1.0, n + 1)[1:-1]) if n > 1 else np.zeros(0)
    shell = np.searchsorted(edges, d)
    mean = np.bincount(shell, intensity, n) / np.maximum(np.bincount(shell, minlength=n), 1)
    return intensity / np.where(mean > 0, mean, 1.0)[shell]


def choices(
    hkl: Integers, intensity: Floats, crystal: Crystal, reference: Reference, max_delta: float
) -> list[Choice]:
    """Return the changes of basis onto a reference, highest correlation first.

    The correlation is Spearman's, of intensities over the mean of their resolution shell: neither
    outliers nor the fall of intensities with resolution, which is the same in all choices, count.

    Parameters
    ----------
    hkl : (n, 3), indices in the crystal's axes. intensity : (n,).

    Raises
    ------
    InputError
        The lattices differ, or no choice has enough reflections in common with the reference.
    """
    if reference.hkl is None or reference.intensity is None:
        raise InputError(f"{reference.name} has no intensities; give reference.reflections")
    changes, rotations = candidate_changes(crystal, reference, max_delta)
    group, cell = reference.crystal.gemmi_space_group, reference.crystal.gemmi_cell
    packed, unique, mean = merged(reference.hkl, reference.intensity, group)
    expected = normalised(mean, spacings(unique, cell))
    found = []
    for basis in cosets(changes, rotations):
        new = hkl @ basis
        whole = np.all(np.abs(new - np.rint(new)) < 1e-3, axis=1)
        own, indices, values = merged(np.rint(new[whole]).astype(np.int32), intensity[whole], group)
        values = normalised(values, spacings(indices, cell))
        _, i, j = np.intersect1d(own, packed, assume_unique=True, return_indices=True)
        found.append(
            Choice(basis=basis, correlation=_ranked(values[i], expected[j]), n_pairs=len(i))
        )
    if all(c.correlation is None for c in found):
        raise InputError(
            f"{max(c.n_pairs for c in found)} reflections in common with {reference.name} are too "
            "few to compare intensities"
        )
    return sorted(found, key=lambda c: -np.inf if c.correlation is None else -c.correlation)


def _ranked(x: Floats, y: Floats) -> float | None:
    if len(x) <= FEWEST_PAIRS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1])
