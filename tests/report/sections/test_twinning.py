"""L-test and H-test of made-up intensities with a known twin fraction."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import gemmi
import numpy as np
import pytest

from dxdask.models.symmetry import asu_indices, is_centric, pack, possible_reflections
from dxdask.report.page.normalised import Normalised
from dxdask.report.sections.twinning import h_values, l_values, twin_laws
from dxdask.report.step_tables import StepTables

CELL, GROUP = gemmi.UnitCell(60, 60, 90, 90, 90, 90), gemmi.SpaceGroup("P 41")


def tables_of(cell: gemmi.UnitCell) -> StepTables:
    crystal = SimpleNamespace(unit_cell=cell.parameters)
    found: Any = SimpleNamespace(experiments=lambda step: [SimpleNamespace(crystal=crystal)])
    return cast(StepTables, found)


def twinned(fraction: float) -> tuple[Normalised, gemmi.Op]:
    """Return normalised intensities of P 41, twinned by a part of the crystal."""
    (law,) = twin_laws(tables_of(CELL), GROUP)
    hkl = possible_reflections(CELL, GROUP, d_min=3.0)
    rng = np.random.default_rng(1)
    centric = is_centric(hkl, GROUP)
    true = np.where(centric, rng.normal(size=len(hkl)) ** 2, rng.exponential(size=len(hkl)))
    keys = pack(asu_indices(hkl, GROUP)[0])
    order = np.argsort(keys)
    moved = (hkl @ (np.array(law.rot) // gemmi.Op.DEN)).astype(np.int32)
    other = order[np.searchsorted(keys[order], pack(asu_indices(moved, GROUP)[0]))]
    z = (1 - fraction) * true + fraction * true[other]
    nothing = np.zeros(0)
    return Normalised(hkl, z, centric, nothing.astype(np.int64), nothing, nothing, GROUP), law


def test_an_untwinned_crystal_has_the_values_of_theory() -> None:
    found, law = twinned(0.0)
    assert np.abs(l_values(found)).mean() == pytest.approx(0.5, abs=0.01)
    assert (l_values(found) ** 2).mean() == pytest.approx(1 / 3, abs=0.01)
    assert h_values(found, law).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.4])
def test_the_mean_of_h_gives_the_twin_fraction(fraction: float) -> None:
    found, law = twinned(fraction)
    h = h_values(found, law)
    assert 0.5 - h.mean() == pytest.approx(fraction, abs=0.015)
    assert h.max() <= 1 - 2 * fraction + 1e-9


def test_a_perfect_twin_has_the_l_test_of_one() -> None:
    found, law = twinned(0.5)
    # 0.375 but for h 0 l and h h l, which are their own mates and stay untwinned
    assert np.abs(l_values(found)).mean() == pytest.approx(0.375, abs=0.02)
    assert h_values(found, law).max() == pytest.approx(0.0, abs=1e-12)


def test_a_lattice_of_no_higher_symmetry_has_no_twin_law() -> None:
    orthorhombic = gemmi.UnitCell(50, 60, 70, 90, 90, 90)
    assert twin_laws(tables_of(orthorhombic), gemmi.SpaceGroup("P 21 21 21")) == []
