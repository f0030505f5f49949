"""Gradients against finite differences, and sums against plain ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.refinement_cases import CELLS, centroids, disturbed, truth

from dxdask.columns import select
from dxdask.errors import ConvergenceError
from dxdask.refinement import cell
from dxdask.refinement.engine import check_determined
from dxdask.refinement.normal import ObservedCentroids, State, block_sums, row_blocks
from dxdask.refinement.parameterisation import parameterise
from dxdask.refinement.parameters import Parameterisation, ReflectionSelection
from dxdask.refinement.selection import select_reflections
from dxdask.refinement.target import evaluate, observed_centroids

pytestmark = pytest.mark.jit

# Observed centroids are moved by this (mm, mm, rad), so that every residual is positive.
MARGIN = np.array([20.0, 20.0, 0.5])
ALL_FREE = Parameterisation.model_validate({"beam": {"fix": []}})


def observed(group: str, *, n_runs: int = 2, n_panels: int = 2):
    true = truth(group, n_runs=n_runs, n_panels=n_panels)
    start = disturbed(true)
    table = centroids(true, d_min=5.0, sigma=0.2)
    wanted = ReflectionSelection.model_validate({"outlier": {"algorithm": None}})
    chosen = select_reflections(table, start, wanted)
    params = parameterise(start, ALL_FREE)
    strategy = wanted.weighting_strategy
    return params, observed_centroids(table, params, chosen.used, chosen.entering, strategy)


def residuals_and_gradients(data: ObservedCentroids, state: State, n_refined: int):
    """Return residuals (n, 3) and derivatives (n, 3, k) of predictions, by sums of one row each.

    With a weight of 1 for one coordinate alone, the sums of a row are r^2 and r dr/dp.
    """
    n = len(data.hkl)
    rows = np.column_stack([np.arange(n), np.arange(1, n + 1), data.experiment])
    moved = replace(data, blocks=rows, xyphi=data.xyphi + MARGIN)
    residuals, gradients = np.empty((n, 3)), np.zeros((n, 3, n_refined))
    for dim, weights in enumerate(np.eye(3)):
        sums = block_sums(replace(moved, weights=np.tile(weights, (n, 1))), state)
        r = np.sqrt(sums.squares[:, dim])
        residuals[:, dim] = r - MARGIN[dim]
        for row, e in enumerate(data.experiment):
            at = state.columns[e][state.columns[e] >= 0]
            gradients[row, dim, at] = sums.vector[row, : len(at)] / r[row]
    return residuals, gradients


@pytest.mark.parametrize("group", ["P 1", "P 61 2 2", "I 21 3"])
def test_gradients_are_finite_differences(group):
    params, data = observed(group)
    # Away from the start, so that derivatives of rotations about zero are not all that is seen.
    x = params.start + np.random.default_rng(1).normal(size=len(params.start)) * 0.3
    start = params.start
    for b in params.slices:
        if b.kind in ("cell",):
            x[b.values] = start[b.values] * (1 + 1e-3 * np.arange(1, len(b.free) + 1))
        if b.kind == "beam":
            x[b.first + 2] = start[b.first + 2] * 1.001
    state = params.state(x)
    _, gradients = residuals_and_gradients(data, state, len(x))
    for k, name in enumerate(params.names):
        h = 1e-5 * max(1.0, abs(x[k]))
        step = np.zeros(len(x))
        step[k] = h
        up, _ = residuals_and_gradients(data, params.state(x + step), len(x))
        down, _ = residuals_and_gradients(data, params.state(x - step), len(x))
        numeric, analytic = (down - up) / (2 * h), gradients[:, :, k]
        assert analytic.any(), name
        for dim in range(3):
            largest = np.abs(numeric[:, dim]).max()
            np.testing.assert_allclose(
                analytic[:, dim], numeric[:, dim], atol=1e-5 * largest + 1e-9, err_msg=name
            )


def test_sums_are_those_of_the_gradients():
    params, data = observed("P 43 21 2")
    state = params.state(params.start)
    residuals, jacobian = residuals_and_gradients(data, state, len(params.start))
    found = evaluate(params, data, params.start)
    matrix = np.einsum("nda,nd,ndb->ab", jacobian, data.weights, jacobian)
    vector = np.einsum("nda,nd,nd->a", jacobian, data.weights, residuals)
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    np.testing.assert_allclose(found.matrix / scale, matrix / scale, atol=1e-11)
    np.testing.assert_allclose(found.vector, vector, rtol=1e-8, atol=1e-8 * np.abs(vector).max())
    np.testing.assert_allclose(found.objective, 0.5 * (data.weights * residuals**2).sum())
    np.testing.assert_allclose(found.rmsds, np.sqrt((residuals**2).mean(axis=0)))


def test_fixed_parameters_have_no_column():
    true = truth(n_runs=2)
    params = parameterise(true, Parameterisation())
    assert len(params.names) == int(params.free.sum()) == 2 + 3 + 2 + 12
    assert "Beam1Mu1" not in params.names
    assert "Beam2Mu2" in params.names
    columns = params.columns()
    assert (columns[0, 3:5] == columns[1, 3:5]).all()
    assert sorted(set(columns[columns >= 0].tolist())) == list(range(19))


def test_blocks_hold_one_experiment_each_and_every_row_once():
    experiment = np.repeat([0, 2, 3], [5000, 1, 9000])
    blocks = row_blocks(experiment)
    rows = np.concatenate([np.arange(a, b) for a, b, _ in blocks])
    np.testing.assert_array_equal(rows, np.arange(len(experiment)))
    for a, b, e in blocks:
        assert set(experiment[a:b].tolist()) == {int(e)}
    assert row_blocks(np.empty(0, dtype=int)).shape == (0, 3)


def test_blocks_add_up_whatever_they_are_cut_into():
    params, data = observed("P 43 21 2", n_runs=1)
    state = params.state(params.start)
    whole = block_sums(data, state)
    half = len(data.hkl) // 2
    cut = replace(data, blocks=np.array([[0, half, 0], [half, len(data.hkl), 0]]))
    parts = block_sums(cut, state)
    assert parts.n.sum() == whole.n.sum()
    np.testing.assert_allclose(
        parts.matrix.sum(axis=0), whole.matrix.sum(axis=0), rtol=1e-9, atol=1e-6
    )


def test_reflections_that_never_diffract_are_not_counted():
    params, data = observed("P 43 21 2", n_runs=1)
    data.hkl[0] = (500, 0, 0)
    assert block_sums(data, params.state(params.start)).n.sum() == len(data.hkl) - 1


@pytest.mark.parametrize(("group", "n"), list(zip(CELLS, (6, 4, 3, 2, 2, 2, 1), strict=True)))
def test_symmetry_leaves_as_many_cell_parameters(group, n):
    crystal = truth(group).crystals[0]
    basis = cell.metric_basis(crystal.gemmi_space_group)
    assert len(basis) == n
    values = cell.coordinates(crystal.b.T @ crystal.b, basis)
    b, slopes = cell.b_with_derivatives(values, basis)
    np.testing.assert_allclose(b, crystal.b, atol=1e-12)
    for k in range(n):
        h = np.zeros(n)
        h[k] = 1e-4
        up, _ = cell.b_with_derivatives(values + h, basis)
        down, _ = cell.b_with_derivatives(values - h, basis)
        np.testing.assert_allclose(slopes[k], (up - down) / 2e-4, atol=1e-10)


def test_cell_derivatives_are_finite_differences():
    from dxdask.models import cell_of

    for group in ("P 1", "P 1 21 1", "P 61 2 2", "R 3 2:R"):
        crystal = truth(group).crystals[0]
        basis = cell.metric_basis(crystal.gemmi_space_group)
        values = cell.coordinates(crystal.b.T @ crystal.b, basis)
        slopes = cell.cell_derivatives(values, basis)
        for k in range(len(values)):
            h = np.zeros(len(values))
            h[k] = 1e-3
            up, down = (cell_of(cell.b_with_derivatives(values + s * h, basis)[0]) for s in (1, -1))
            np.testing.assert_allclose(
                slopes[:, k], (np.array(up) - down) / 2e-3, atol=1e-5 * np.abs(slopes).max()
            )


def test_an_impossible_cell_is_an_error():
    params = parameterise(truth("I 21 3"), Parameterisation())
    values = params.start[params.free].copy()
    values[params.names.index("Crystal1g_star_0")] = -1.0
    with pytest.raises(ConvergenceError, match="crystal 1 is impossible"):
        params.state(values)


def test_idle_and_entangled_parameters_are_named():
    names = ("Beam1Mu2", "Detector1Dist", "Detector1Tau1")
    with pytest.raises(ConvergenceError, match="no reflection depends on Detector1Dist"):
        check_determined(np.diag([1.0, 0.0, 1.0]), names)
    mixed = np.array([[1.0, 0.0, 0.0], [0.0, 4.0, 2.0], [0.0, 2.0, 1.0]])
    with pytest.raises(ConvergenceError, match="Detector1Dist, Detector1Tau1"):
        check_determined(mixed, names)
    check_determined(np.eye(3), names)


def test_a_run_alone_gives_the_same_sums_as_in_company():
    true = truth(n_runs=2)
    table = centroids(true, d_min=5.0)
    alone = select(table, table["experiment"] == 0)
    wanted = ReflectionSelection.model_validate({"outlier": {"algorithm": None}})
    params = parameterise(true, ALL_FREE)
    sums = []
    for t in (table, alone):
        chosen = select_reflections(t, true, wanted)
        strategy = wanted.weighting_strategy
        data = observed_centroids(t, params, chosen.used, chosen.entering, strategy)
        got = block_sums(data, params.state(params.start))
        sums.append(got.matrix[data.blocks[:, 2] == 0])
    np.testing.assert_array_equal(*sums)
