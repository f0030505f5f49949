"""Strains a symmetry allows."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from dxdask.models.crystal import b_matrix, cell_of
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement.models.crystals import Crystals, symmetric_points
from dxdask.refinement.models.strain import orientations, strain_basis

CASES = [
    ("P 1", (40, 50, 60, 80, 100, 95), 6),
    ("P 1 21 1", (40, 50, 60, 90, 100, 90), 4),
    ("P 21 21 21", (40, 50, 60, 90, 90, 90), 3),
    ("P 43 21 2", (79, 79, 38, 90, 90, 90), 2),
    ("P 61 2 2", (93, 93, 130, 90, 90, 120), 2),
    ("R 3:H", (80, 80, 100, 90, 90, 120), 2),
    ("I 2 3", (78, 78, 78, 90, 90, 90), 1),
]


@pytest.mark.parametrize(("symbol", "cell", "n"), CASES)
def test_a_strained_cell_keeps_its_symmetry(symbol: str, cell: tuple[float, ...], n: int) -> None:
    group = gemmi.SpaceGroup(symbol)
    basis = strain_basis(cell, group)
    assert len(basis) == n
    amounts = np.random.default_rng(0).normal(0, 0.01, n)
    strained = cell_of((np.eye(3) + np.tensordot(amounts, basis, 1)) @ b_matrix(cell))
    metric = np.array(gemmi.UnitCell(*strained).metric_tensor().as_mat33())
    for op in group.operations().sym_ops:
        rotation = np.array(op.rot) / op.DEN
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-6 * metric.max())


def test_orientations_and_strains_make_the_matrices_again() -> None:
    rng = np.random.default_rng(3)
    cell, group = (79.0, 79.0, 38.0, 90.0, 90.0, 90.0), gemmi.SpaceGroup("P 43 21 2")
    basis = strain_basis(cell, group)
    u, amounts = rotation_matrices(rng.normal(0, 2, (5, 3))), rng.normal(0, 0.01, (5, 2))
    a = u @ (np.eye(3) + np.einsum("nk,kij->nij", amounts, basis)) @ b_matrix(cell)
    found = Crystals.alike(a, cell, group)
    np.testing.assert_allclose(found.a, a, atol=1e-12)
    np.testing.assert_allclose(found.strain[:, :2], amounts, atol=1e-12)
    np.testing.assert_allclose(orientations(a, cell), u, atol=1e-9)


def test_a_crystal_is_made_to_obey_its_space_group() -> None:
    rng = np.random.default_rng(4)
    cell, group = (79.0, 79.2, 38.0, 90.1, 89.9, 90.0), gemmi.SpaceGroup("P 43 21 2")
    points = rotation_matrices(rng.normal(0, 2, (3, 3))) @ b_matrix(cell)
    found, obeys = symmetric_points(points, cell, group)
    np.testing.assert_allclose(obeys[:2], 79.1, atol=0.01)
    for a in found:
        obtained = cell_of(a)
        assert obtained[0] == pytest.approx(obtained[1], abs=1e-9)
        np.testing.assert_allclose(obtained[3:], 90.0, atol=1e-9)
        np.testing.assert_allclose(obtained, obeys, atol=2e-4)
