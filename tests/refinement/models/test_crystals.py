"""Crystals as arrays: strains against the target cell, steps, symmetry."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from support.refinement_cases import CELLS, some_rotation

from dxdask.models.crystal import b_matrix, cell_of
from dxdask.refinement.models.crystals import Crystals

GROUPS = ["P 1", "P 1 21 1", "P 43 21 2", "P 61 2 2", "I 21 3"]


def strained(name: str, size: float) -> Crystals:
    """Return three crystals whose cells differ from the target by about `size`, relative."""
    cell, group = CELLS[name], gemmi.SpaceGroup(name)
    u = np.array([some_rotation(k) for k in range(3)])
    start = Crystals.alike(u @ b_matrix(cell), cell, group)
    step = np.random.default_rng(0).normal(0, size, (3, 1, int(start.n_strains[0])))
    return start.moved(0, step, 3 + np.arange(step.shape[2]))


@pytest.mark.parametrize("name", GROUPS)
def test_strains_are_those_of_the_cell_after_many_steps(name: str) -> None:
    crystals = strained(name, 3e-3)
    rng, n = np.random.default_rng(1), int(crystals.n_strains[0])
    for _ in range(3):
        step = rng.normal(0, 3e-3, (3, 1, 3 + n))
        crystals = crystals.moved(0, step, np.arange(3 + n))
    again = Crystals.alike(crystals.a, CELLS[name], gemmi.SpaceGroup(name))
    np.testing.assert_allclose(crystals.strain, again.strain, atol=1e-6)
    np.testing.assert_allclose(crystals.a, again.a, atol=1e-9)


@pytest.mark.parametrize("name", GROUPS)
def test_unstrained_crystals_have_the_target_cell(name: str) -> None:
    crystals = strained(name, 3e-3)
    assert np.abs(crystals.strain).max() > 1e-3
    found = crystals.unstrained()
    for a in found.a:
        np.testing.assert_allclose(cell_of(a), CELLS[name], rtol=1e-9)
    assert not found.strain.any()
