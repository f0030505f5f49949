"""Gradients against finite differences, and normal equations against plain sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up_stills import CELL, GROUP, shots
from support.refinement_cases import centroids, disturbed, truth

from dxdask.columns import select
from dxdask.errors import ConvergenceError
from dxdask.models.detector import Group
from dxdask.models.smoother import Smoother
from dxdask.refinement.least_squares.determined import check_determined
from dxdask.refinement.least_squares.equations import Step, covariance, reduced, solve
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.detector_freedom import restrained
from dxdask.refinement.models.detector_parts import parts_of
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.parameterise import free_models
from dxdask.refinement.parameters import Parameterisation, ReflectionSelection
from dxdask.refinement.problem import Problem
from dxdask.refinement.selection import select_reflections
from dxdask.refinement.stills.measurements import measurements_of
from dxdask.refinement.stills.problem import still_problem
from dxdask.refinement.sweeps import sweep_rows

pytestmark = pytest.mark.jit

ALL_FREE = Parameterisation.model_validate(
    {
        "beam": {"fix": []},
        "goniometer": {"fix": []},
        "detector": {"hierarchy_level": None, "parts": ["shift", "distance", "rotation", "tilt"]},
    }
)


def sweeps(
    group: str,
    *,
    n_points: int = 0,
    beam_points: int = 0,
    n_runs: int = 2,
    free: Parameterisation = ALL_FREE,
) -> tuple[Problem, ModelState]:
    """Return a problem of runs; with n_points each has a crystal of its own that varies, with
    beam_points a beam.
    """
    true = truth(group, n_runs=n_runs, n_panels=2)
    start = disturbed(true)
    smoothers = {}
    if n_points:
        members = tuple(replace(m, crystal=i) for i, m in enumerate(start.members))
        start = replace(start, members=members, crystals=start.crystals * n_runs)
        smoothers = {
            i: Smoother(start=e.scan.array_range[0] + 2.0, width=50.0, n_intervals=n_points - 2)
            for i, e in enumerate(start)
        }
    beams = {}
    if beam_points:
        members = tuple(replace(m, beam=i) for i, m in enumerate(start.members))
        own = [e.beam for e in start]
        counts = [e.scan.n_images + 1 for e in start]
        varying = tuple(
            replace(b, s0_at_scan_points=(tuple(b.s0.tolist()),) * n)
            for b, n in zip(own, counts, strict=True)
        )
        start = replace(start, members=members, beams=varying)
        beams = {
            i: Smoother(start=e.scan.array_range[0] + 1.0, width=55.0, n_intervals=beam_points - 2)
            for i, e in enumerate(start)
        }
    table = centroids(true, d_min=6.0, sigma=0.2)
    wanted = ReflectionSelection.model_validate({"outlier": {"algorithm": None}})
    chosen = select_reflections(table, start, wanted)
    models = free_models(start, free, smoothers, beams)
    rows = sweep_rows(
        table, start, models.crystals, chosen.used, chosen.entering, wanted.weighting_strategy
    )
    layout = models.layout
    problem = Problem(rows=rows, layout=layout, n_points=models.crystals.n_points)
    return problem, ModelState.of(start, models.crystals, layout)


def stills() -> tuple[Problem, ModelState]:
    made = shots(4, noise_px=0.2)
    measured = measurements_of(made.reflections, made.stills)
    crystals = Crystals.alike(made.stills["a_matrix"][measured.rows], CELL, GROUP)
    panels = tuple(range(len(made.experiment.detector)))
    root = Group(groups=(Group(panels=panels[:2]), Group(panels=panels[2:])))
    detector = replace(made.experiment.detector, root=root)
    sigmas = dict.fromkeys(("shift", "distance", "rotation", "tilt"), 1e9)
    every = ("shift", "distance", "rotation", "tilt")
    freedom = restrained(0, detector, parts_of(detector, None), every, every, sigmas)
    experiment = replace(made.experiment, detector=detector)
    problem, state = still_problem(measured, crystals, experiment, freedom, restraint=None)
    # positions on the panels stay as at the start, where the gradient is taken
    return replace(problem, weigh=None, positions=None, crystal_prior=np.zeros(9)), state


def step_of(problem: Problem, vector: np.ndarray) -> Step:
    """Return a step of all parameters: the shared ones, then those of each block of crystals."""
    m = problem.layout.n_shared
    parts, at = [], m
    for block in problem.blocks():
        k = len(problem.layout.crystal_free[block.first]) * problem.n_points[block.first]
        size = block.n_crystals * int(k)
        parts.append(vector[at : at + size].reshape(block.n_crystals, int(k)))
        at += size
    return Step(shared=vector[:m], crystals=tuple(parts), expected=0.0)


def n_of(problem: Problem) -> int:
    own = sum(
        len(free) * int(n)
        for free, n in zip(problem.layout.crystal_free, problem.n_points, strict=True)
    )
    return problem.layout.n_shared + own


def jacobian(problem: Problem, state: ModelState) -> np.ndarray:
    """Return derivatives of residuals (n, 3, parameters), by differences of fourth order."""
    n, out = n_of(problem), []
    for k in range(n):
        h = 2e-4 * np.eye(n)[k]
        at = {
            i: problem.residuals(problem.move(state, step_of(problem, i * h)))
            for i in (-2, -1, 1, 2)
        }
        out.append((8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * 2e-4))
    return np.moveaxis(np.array(out), 0, -1)


def analytic(problem: Problem, state: ModelState) -> np.ndarray:
    """Return derivatives of residuals (n, 3, parameters) from the equations of single residuals."""
    n_rows, n = len(problem.rows), n_of(problem)
    out = np.zeros((n_rows, 3, n))
    observed = problem.rows.observed
    residual = problem.residuals(state)
    for row in range(n_rows):
        for d in range(3):
            # with a residual of 1 and no other, the right side is the gradient
            one = problem.rows.taken(slice(row, row + 1))
            target = observed[row : row + 1].copy()
            target[0, d] += 1.0 - residual[row, d]
            weights = np.zeros((1, 3))
            weights[0, d] = 1.0
            alone = replace(problem, rows=replace(one, observed=target, weights=weights))
            found = alone.equations(state)
            own = [b.right.ravel() for b in found.blocks]
            out[row, d] = -np.concatenate([found.right, *own])
    return out


@pytest.mark.parametrize(
    ("name", "n_points", "beam_points"),
    [("P 1", 0, 0), ("P 61 2 2", 0, 0), ("I 21 3", 0, 0), ("P 43 21 2", 5, 0),
     ("P 43 21 2", 0, 5), ("P 43 21 2", 5, 6)],
)  # fmt: skip
def test_gradients_of_sweeps_are_finite_differences(
    name: str, n_points: int, beam_points: int
) -> None:
    problem, state = sweeps(name, n_points=n_points, beam_points=beam_points)
    # restraints are not of residuals
    none = np.zeros_like(problem.layout.restraints)
    problem = replace(problem, layout=replace(problem.layout, restraints=none))
    few = replace(problem, rows=problem.rows.taken(slice(None, None, len(problem.rows) // 40)))
    check_gradients(few, state)


def test_gradients_of_stills_are_finite_differences() -> None:
    problem, state = stills()
    few = replace(problem, rows=problem.rows.taken(slice(None, None, 9)))
    check_gradients(few, state)


def check_gradients(problem: Problem, state: ModelState) -> None:
    numeric, found = jacobian(problem, state), analytic(problem, state)
    assert np.isfinite(numeric).all()
    for d in range(3):
        largest = np.maximum(np.abs(numeric[:, d]).max(axis=0), 1e-3)
        off = np.abs(found[:, d] - numeric[:, d]) / largest
        assert off.max() < 1e-6, (d, int(off.max(axis=0).argmax()))


def test_every_parameter_has_a_gradient() -> None:
    problem, state = sweeps("P 1")
    found = problem.equations(state)
    assert (np.diag(found.matrix) > 0).all()
    assert all((np.einsum("nii->ni", b.matrix) > 0).all() for b in found.blocks)
    assert len(problem.layout.names) == problem.layout.n_shared


@pytest.mark.parametrize("n_points", [0, 5])
def test_equations_are_those_of_the_gradients(n_points: int) -> None:
    problem, state = sweeps("P 43 21 2", n_points=n_points)
    few = replace(problem, rows=problem.rows.taken(slice(None, None, len(problem.rows) // 60)))
    gradient, residual = -analytic(few, state), few.residuals(state)
    weights = few.rows.weights
    matrix = np.einsum("nda,nd,ndb->ab", gradient, weights, gradient)
    right = np.einsum("nda,nd,nd->a", gradient, weights, residual)
    found, m = few.equations(state), few.layout.n_shared
    scale = np.sqrt(np.diag(matrix)) + 1e-12
    whole, at = np.zeros_like(matrix), m
    whole[:m, :m] = found.matrix
    vector = [found.right]
    for block in found.blocks:
        for own, cross, side in zip(block.matrix, block.cross, block.right, strict=True):
            k = slice(at, at + len(own))
            whole[k, k], whole[k, :m], whole[:m, k] = own, cross, cross.T
            vector.append(side)
            at += len(own)
    np.testing.assert_allclose(
        whole / np.outer(scale, scale), matrix / np.outer(scale, scale), atol=1e-9
    )
    np.testing.assert_allclose(
        np.concatenate(vector) / scale, right / scale, atol=1e-9 * np.abs(right / scale).max()
    )
    np.testing.assert_allclose(found.objective, 0.5 * (weights * residual**2).sum())
    np.testing.assert_allclose(found.rmsds, np.sqrt((residual**2).mean(axis=0)))


def test_elimination_gives_the_solution_of_the_whole_matrix() -> None:
    problem, state = sweeps("P 21 21 21", free=Parameterisation())
    found, m = problem.equations(state), problem.layout.n_shared
    block = found.blocks[0]
    whole = np.block([[found.matrix, block.cross[0].T], [block.cross[0], block.matrix[0]]])
    right = np.concatenate([found.right, block.right[0]])
    scale = 1 / np.sqrt(np.diag(whole))
    step = solve(found)
    direct = np.linalg.solve(whole * np.outer(scale, scale), right * scale) * scale
    got = np.concatenate([step.shared, step.crystals[0][0]])
    np.testing.assert_allclose(
        got / scale, direct / scale, rtol=1e-5, atol=1e-7 * np.abs(direct / scale).max()
    )
    inverse = np.linalg.inv(whole * np.outer(scale, scale)) * np.outer(scale, scale)
    spread = covariance(found, 1.0)
    np.testing.assert_allclose(np.diag(spread.shared), np.diag(inverse)[:m], rtol=1e-5)
    np.testing.assert_allclose(np.diag(spread.of_crystal(0)), np.diag(inverse)[m:], rtol=1e-5)
    assert step.expected == pytest.approx(0.5 * right @ direct, rel=1e-6)
    assert reduced(found)[0].shape == (m, m)


def test_reflections_that_never_diffract_are_not_counted() -> None:
    problem, state = sweeps("P 43 21 2")
    hkl = problem.rows.hkl.copy()
    hkl[0] = (500, 0, 0)
    found = replace(problem, rows=replace(problem.rows, hkl=hkl))
    assert found.equations(state).n == problem.equations(state).n - 1
    assert np.isnan(found.residuals(state)[0]).all()


def test_order_of_reflections_does_not_matter() -> None:
    true = truth("P 43 21 2", n_runs=2)
    table, start = centroids(true, d_min=5.0, sigma=0.2), disturbed(true)
    shuffled = select(table, np.random.default_rng(0).permutation(len(table["flags"])))
    wanted = ReflectionSelection.model_validate({"outlier": {"algorithm": None}})
    rows = []
    for t in (table, shuffled):
        chosen = select_reflections(t, start, wanted)
        crystals = free_models(start, ALL_FREE).crystals
        rows.append(
            sweep_rows(t, start, crystals, chosen.used, chosen.entering, wanted.weighting_strategy)
        )
    np.testing.assert_array_equal(rows[0].observed, rows[1].observed)
    np.testing.assert_array_equal(rows[0].hkl, rows[1].hkl)


def test_fixed_parameters_have_no_column() -> None:
    true = truth(n_runs=2)
    models = free_models(true, Parameterisation())
    assert models.n_parameters == 2 + 3 + 2 + 12
    names = models.layout.names
    assert "Beam1Mu1" not in names
    assert "Beam2Mu2" in names
    assert not any("Goniometer" in name for name in names)


def test_undetermined_parameters_are_named() -> None:
    with pytest.raises(ConvergenceError, match="no reflection depends on b"):
        check_determined(np.diag([1.0, 0.0]), ["a", "b"])
    with pytest.raises(ConvergenceError, match="a, b separately"):
        check_determined(np.array([[1.0, 1.0], [1.0, 1.0]]), ["a", "b"])
