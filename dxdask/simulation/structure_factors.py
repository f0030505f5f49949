"""True intensities: random, with the symmetry of the space group and Wilson's statistics."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.models import space_group

MEAN_INTENSITY = 1000.0
MAX_UNIQUE = 5_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueIntensities:
    """The unique reflections of a crystal and their true intensities.

    Attributes
    ----------
    hkl : (n, 3) int32, in gemmi's asymmetric unit, sorted.
    d : (n,) float64, Angstrom.
    intensity : (n,) float64, arbitrary scale, mean 1000.
    centric : (n,) bool.
    epsilon : (n,) int32, multiplicity of the reflection's stabiliser, without the centring.
    """

    hkl: NDArray[np.int32]
    d: NDArray[np.float64]
    intensity: NDArray[np.float64]
    centric: NDArray[np.bool_]
    epsilon: NDArray[np.int32]


def true_intensities(
    *, unit_cell: tuple[float, ...], symbol: str, d_min: float, b_iso: float, seed: int
) -> TrueIntensities:
    """Return random intensities of the unique reflections down to `d_min` (Angstrom).

    Acentric intensities are exponential and centric ones chi-square with one degree of freedom
    about <I> = epsilon exp(-B / 2d^2) (Wilson 1949, Acta Cryst. 2, 318). Friedel mates are equal.

    Raises
    ------
    InputError
        The cell does not fit the space group, or there are no, or far too many, reflections.
    """
    group, cell = space_group(symbol), gemmi.UnitCell(*unit_cell)
    if not cell.is_compatible_with_spacegroup(group):
        raise InputError(f"cell {unit_cell} does not fit space group {group.xhm()}: correct either")
    expected = 4.2 * cell.volume / d_min**3 / 2 / len(group.operations())
    if expected > MAX_UNIQUE:
        raise InputError(
            f"d_min {d_min} A gives some {expected:.2g} unique reflections for a cell of "
            f"{cell.volume:.3g} A^3, above {MAX_UNIQUE}: give a larger crystal.d_min"
        )
    hkl = gemmi.make_miller_array(cell, group, d_min).astype(np.int32)
    if len(hkl) == 0:
        raise InputError(
            f"no reflection has d above d_min {d_min} A in the cell {unit_cell}: lower d_min"
        )
    hkl = hkl[np.lexsort(hkl.T[::-1])]
    operations = group.operations()
    centric = np.asarray(operations.centric_flag_array(hkl), dtype=bool)
    epsilon = np.asarray(operations.epsilon_factor_without_centering_array(hkl), dtype=np.int32)
    d = np.asarray(cell.calculate_d_array(hkl), dtype=np.float64)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
    acentric = rng.exponential(size=len(hkl))
    one_degree = rng.standard_normal(len(hkl)) ** 2
    relative = np.where(centric, one_degree, acentric) * epsilon * np.exp(-b_iso / (2 * d**2))
    intensity = relative * (MEAN_INTENSITY / relative.mean())
    return TrueIntensities(hkl=hkl, d=d, intensity=intensity, centric=centric, epsilon=epsilon)


def equivalents(hkl: NDArray[np.int32], symbol: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return all symmetry and Friedel mates of unique reflections, each once.

    Returns (m, 3) int32 indices, sorted, and for each (m,) int64 the row of `hkl` (n, 3) it equals.
    """
    operations = space_group(symbol).operations()
    rotations = [np.array(op.rot) // gemmi.Op.DEN for op in operations.sym_ops]
    moved = np.concatenate([sign * (hkl @ r) for r in rotations for sign in (1, -1)])
    rows = np.tile(np.arange(len(hkl)), 2 * len(rotations))
    found, first = np.unique(moved.astype(np.int32), axis=0, return_index=True)
    return found, rows[first]
