"""Free-R flags: shares, symmetry of the lattice, and those kept from a reference."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from dxdask.errors import InputError
from dxdask.models.free_flags import FreeFlags, free_flags, lattice_keys
from dxdask.models.symmetry import asu_indices, possible_reflections

CELL, GROUP = gemmi.UnitCell(70, 70, 90, 90, 90, 120), gemmi.SpaceGroup("P 3")
HKL = possible_reflections(CELL, GROUP, d_min=2.5)


def test_one_in_twenty_is_free_at_any_resolution() -> None:
    flags = free_flags(HKL, CELL, GROUP)
    assert (flags == 0).mean() == pytest.approx(0.05, abs=0.01)
    assert set(flags.tolist()) == set(range(20))
    np.testing.assert_array_equal(free_flags(HKL[::3], CELL, GROUP), flags[::3])


def test_twin_related_reflections_have_one_flag() -> None:
    flags = free_flags(HKL, CELL, GROUP)
    h, k, l = HKL.T
    for law in ((k, h, -l), (-h, -k, l), (k, h, l), (-h - k, h, l)):
        twin = np.column_stack(law).astype(np.int32)
        np.testing.assert_array_equal(free_flags(twin, CELL, GROUP), flags)


@pytest.mark.parametrize("n_sets", [2, 10])
def test_flags_of_a_reference_are_kept_and_extended(n_sets: int) -> None:
    rng = np.random.default_rng(0)
    theirs = rng.integers(0, 10, len(HKL) // 2).astype(np.int32)
    if n_sets == 2:
        theirs = (theirs == 0).astype(np.int32)
    reference = FreeFlags(hkl=HKL[::2][: len(theirs)], flag=theirs, cell=CELL)
    flags = free_flags(HKL, CELL, GROUP, reference)
    np.testing.assert_array_equal(flags[::2][: len(theirs)], theirs)
    assert set(flags.tolist()) == set(range(n_sets))
    free = 1 if n_sets == 2 else 0
    assert (flags == free).mean() == pytest.approx(0.1, abs=0.02)


def test_references_that_do_not_fit_say_so() -> None:
    other = FreeFlags(
        hkl=HKL[:2], flag=np.array([0, 1], np.int32), cell=gemmi.UnitCell(80, 80, 90, 90, 90, 120)
    )
    with pytest.raises(InputError, match="flags of this crystal"):
        free_flags(HKL, CELL, GROUP, other)
    same = FreeFlags(hkl=HKL[:2], flag=np.ones(2, np.int32), cell=CELL)
    with pytest.raises(InputError, match="another reference"):
        free_flags(HKL, CELL, GROUP, same)


@pytest.mark.parametrize("n_sets", [2, 20])
def test_flags_follow_the_reflections_into_another_setting(n_sets: int) -> None:
    """Data indexed by k, h, -l: the reflections that were free are those that are free."""
    rng = np.random.default_rng(3)
    _, orbit = np.unique(lattice_keys(HKL, CELL, GROUP), return_inverse=True)
    theirs = rng.integers(0, n_sets, orbit.max() + 1).astype(np.int32)[orbit]
    reference = FreeFlags(hkl=HKL, flag=theirs, cell=CELL)
    h, k, l = HKL.T
    other = np.column_stack((k, h, -l)).astype(np.int32)
    np.testing.assert_array_equal(free_flags(other, CELL, GROUP, reference), theirs)
    # in the asymmetric unit of the other setting, as merged files have them, and of half the data
    found = asu_indices(other, GROUP)[0][::2]
    half = FreeFlags(hkl=HKL[::2], flag=theirs[::2], cell=CELL)
    np.testing.assert_array_equal(free_flags(found, CELL, GROUP, half), theirs[::2])
