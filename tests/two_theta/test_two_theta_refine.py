"""Cells by scattering angles: known cells with noise, their uncertainties, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, spots_of

from dxdask.columns import Flag, concatenate, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.models import Crystal
from dxdask.two_theta import TwoThetaParameters, two_theta_refine

FREE = {"a": 6, "m": 4, "o": 3, "t": 2, "h": 2, "c": 1}
CONSTANTS = ("a", "b", "c", "alpha", "beta", "gamma")


def noisy(table, sigma: float, seed: int):
    """Spots at their true positions, with Gaussian noise (px)."""
    rng = np.random.default_rng(seed)
    n = len(table["x"])
    return table | {"x": table["x"] + sigma * rng.normal(size=n),
                    "y": table["y"] + sigma * rng.normal(size=n)}  # fmt: skip


def indexed(lattice: str, *, d_min: float = 5.0):
    experiments = experiments_of(lattice)
    table = spots_of(experiments, d_min=d_min, sigma=0.0)
    table["flags"] |= np.uint32(Flag.INDEXED)
    return table, experiments


@pytest.mark.parametrize("lattice", ["aP", "mC", "oP", "tP", "hR", "cI"])
def test_cells_are_found_and_their_uncertainties_are_honest(lattice: str) -> None:
    """z of free constants, over repeated noise: mean 0 and standard deviation 1."""
    table, experiments = indexed(lattice)
    truth = np.array(LATTICES[lattice][0])
    z = []
    for seed in range(40):
        found = two_theta_refine(noisy(table, 0.3, seed), experiments, TwoThetaParameters())
        row = found.table("cells").rows[0]
        su = np.array([row[f"{name}_su"] for name in CONSTANTS])
        off = np.array([row[name] for name in CONSTANTS]) - truth
        np.testing.assert_allclose(off[su == 0], 0.0, atol=1e-9)
        z.append(off[su > 0] / su[su > 0])
    z = np.array(z)
    # equal edges of one metric constant count once
    assert np.linalg.matrix_rank(z, tol=1e-3 * np.abs(z).max()) >= min(FREE[lattice[0]], z.shape[1])
    assert np.abs(z.mean(axis=0)).max() < 3.5 / np.sqrt(len(z))
    spread = np.sqrt((z**2).mean(axis=0))
    assert spread.min() > 0.7
    assert spread.max() < 1.35


def test_stronger_reflections_weigh_more() -> None:
    """Half of the spots are ten times less precise, and say so: the su is of the good half."""
    table, experiments = indexed("tP")
    rng = np.random.default_rng(1)
    n = len(table["x"])
    sigma = np.where(np.arange(n) % 2 == 0, 0.05, 0.5)
    moved = table | {"x": table["x"] + sigma * rng.normal(size=n),
                     "y": table["y"] + sigma * rng.normal(size=n),
                     "x_variance": sigma**2, "y_variance": sigma**2}  # fmt: skip
    both = two_theta_refine(moved, experiments, TwoThetaParameters()).table("cells").rows[0]
    good = select(moved, np.flatnonzero(sigma < 0.1))
    alone = two_theta_refine(good, experiments, TwoThetaParameters()).table("cells").rows[0]
    assert both["a_su"] == pytest.approx(alone["a_su"], rel=0.2)
    assert abs(both["a"] - 79.0) < 4 * both["a_su"]


def test_outliers_are_rejected_and_counted() -> None:
    table, experiments = indexed("oP")
    moved = noisy(table, 0.1, 2)
    moved["x"][::20] += 8.0
    row = two_theta_refine(moved, experiments, TwoThetaParameters()).table("cells").rows[0]
    n = len(moved["x"][::20])
    assert 0.7 * n < row["n_outliers"] < 1.2 * n + 5
    for name, value in zip(CONSTANTS[:3], (42.0, 55.0, 71.0), strict=True):
        assert abs(row[name] - value) < 4 * row[f"{name}_su"]


def test_crystals_are_combined_or_not() -> None:
    table, experiments = indexed("tP")
    first = experiments.crystals[0]
    larger = Crystal(a_matrix=tuple(tuple(x / 1.001 for x in row) for row in first.a_matrix),
                     space_group=first.space_group)  # fmt: skip
    members = (experiments.members[0], replace(experiments.members[0], run="two", crystal=1))
    other = replace(experiments, crystals=(larger,))
    second = spots_of(other, d_min=5.0, sigma=0.0)
    second["flags"] |= np.uint32(Flag.INDEXED)
    second["experiment"] += 1
    both = concatenate([noisy(table, 0.1, 3), noisy(second, 0.1, 4)])
    models = replace(experiments, crystals=(first, larger), members=members)
    together = two_theta_refine(both, models, TwoThetaParameters())
    cells = [c.unit_cell for c in together.experiments.crystals]
    np.testing.assert_allclose(cells[0], cells[1], rtol=1e-12)
    rows = together.table("cells").rows
    assert [r["run"] for r in rows] == ["all", "run1", "two"]
    assert rows[2]["a"] - rows[1]["a"] == pytest.approx(0.079, abs=4 * rows[1]["a_su"] + 1e-3)
    assert "cells of runs differ by up to" in together.messages[0]
    apart = two_theta_refine(both, models, TwoThetaParameters(combine_crystal_models=False))
    a, b = (c.unit_cell[0] for c in apart.experiments.crystals)
    assert b - a == pytest.approx(0.079, abs=0.01)
    su = apart.experiments.crystals[0].cell_su
    assert su is not None
    assert su[0] > 0
    unlike = replace(models, crystals=(first, replace(larger, space_group="P 4")))
    with pytest.raises(InputError, match="combine_crystal_models=false"):
        two_theta_refine(both, unlike, TwoThetaParameters())


def test_the_orientation_stays_and_the_model_is_static() -> None:
    table, experiments = indexed("mC")
    first = experiments.crystals[0]
    varying = replace(first, scan_points=(first.a_matrix,) * 61)
    models = replace(experiments, crystals=(varying,))
    crystal = two_theta_refine(table, models, TwoThetaParameters()).experiments.crystals[0]
    assert crystal.scan_points is None
    np.testing.assert_allclose(crystal.a, experiments.crystals[0].a, atol=1e-7)


def test_triclinic_frees_all_constants() -> None:
    table, experiments = indexed("oP")
    given = TwoThetaParameters(triclinic=True)
    row = two_theta_refine(noisy(table, 0.1, 6), experiments, given).table("cells").rows[0]
    assert all(row[f"{name}_su"] > 0 for name in CONSTANTS)
    assert abs(row["beta"] - 90.0) < 4 * row["beta_su"]


def test_bad_input_is_refused_with_what_to_do() -> None:
    table, experiments = indexed("aP")
    few = select(table, np.arange(20))
    with pytest.raises(ConvergenceError, match="20 reflections are too few for the 6 constants"):
        two_theta_refine(few, experiments, TwoThetaParameters())
    plane = select(table, np.flatnonzero(table["hkl"][:, 2] == 0))
    with pytest.raises(ConvergenceError, match="one plane of the lattice"):
        two_theta_refine(plane, experiments, TwoThetaParameters())
    with pytest.raises(InputError, match="no crystal"):
        two_theta_refine(table, replace(experiments, crystals=()), TwoThetaParameters())
