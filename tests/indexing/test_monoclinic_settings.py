"""The cell of a monoclinic space group in every setting: angle obtuse and nearest to 90 degrees."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from dxdask.indexing.known_symmetry import match_symmetry
from dxdask.indexing.reduction import changed, niggli_change
from dxdask.models import cell_of
from dxdask.models.vectors import rotation_matrix

CELLS = {
    "I 1 2 1": (49.7, 38.8, 69.3, 90, 98, 90),
    "C 1 2 1": (120.0, 38.8, 69.3, 90, 101, 90),
    "A 1 2 1": (49.7, 38.8, 80.3, 90, 95, 90),
    "P 1 21 1": (40.1, 55.0, 61.3, 90, 107, 90),
    "P 1 1 2": (40.1, 55.0, 61.3, 90, 90, 103),
    "B 1 1 2": (60.1, 55.0, 71.3, 90, 90, 96),
    "P 2 1 1": (61.3, 40.1, 55.0, 97, 90, 90),
}


def reduced(symbol: str, cell: tuple[float, ...]) -> np.ndarray:
    """Return A (3, 3) of the reduced primitive cell, in some orientation."""
    orthogonal = np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T
    a_matrix = rotation_matrix((0.3, 0.5, -0.7), 1.1) @ np.linalg.inv(orthogonal)
    group = gemmi.SpaceGroup(symbol)
    to_primitive = np.array(group.centred_to_primitive().rot, dtype=np.float64) / gemmi.Op.DEN
    primitive = changed(a_matrix, to_primitive)
    return changed(primitive, niggli_change(primitive))


@pytest.mark.parametrize(("symbol", "cell"), CELLS.items())
@pytest.mark.parametrize("acute", [False, True])
def test_the_cell_of_a_space_group(symbol: str, cell: tuple[float, ...], acute: bool) -> None:
    group = gemmi.SpaceGroup(symbol)
    # an axis the other way round: the same lattice
    recorded = (*cell[:3], *(180.0 - x if acute else x for x in cell[3:]))
    lattice = reduced(symbol, recorded)
    change = match_symmetry(lattice, group, 3.0)
    assert change is not None
    found = cell_of(changed(lattice, change))
    np.testing.assert_allclose(sorted(found[:3]), sorted(cell[:3]), rtol=1e-6)
    np.testing.assert_allclose(sorted(found[3:]), sorted(cell[3:]), atol=1e-5)
    unique = int(np.argmax([x != 90 for x in cell[3:]]))
    assert found[unique] == pytest.approx(cell[unique])
    assert found[3 + unique] > 90.0


def test_a_lattice_has_an_obtuse_cell_in_either_centring() -> None:
    lattice = reduced("I 1 2 1", CELLS["I 1 2 1"])
    change = match_symmetry(lattice, gemmi.SpaceGroup("C 1 2 1"), 3.0)
    assert change is not None
    found = cell_of(changed(lattice, change))
    assert found[4] > 90.0
    volume = gemmi.UnitCell(*CELLS["I 1 2 1"]).volume
    assert gemmi.UnitCell(*found).volume == pytest.approx(volume, rel=1e-6)
