"""Refined models that cannot be right are refused, with their figures and what to try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, Reflections, concatenate, n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.indexing.parameters import RefinedFitParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.refined_fit import with_fit_judged
from dxdask.models import Crystal, ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

STRICT = RefinedFitParameters()
LENIENT = RefinedFitParameters(accept_poor_fit=True)


def refined(
    spots: Reflections, experiments: ExperimentList, fit: RefinedFitParameters = STRICT, **groups
) -> StepResult:
    groups.setdefault("parameterisation", {"scan_varying": False})
    parameters = RefinementParameters.model_validate(groups)
    result = refine(map_centroids(spots, experiments), experiments, parameters)
    return with_fit_judged(result, experiments, fit)


def indexed(spots: Reflections, experiments: ExperimentList, tolerance: float = 0.3) -> Reflections:
    """Return the spots with the nearest indices, INDEXED within the tolerance."""
    table = map_centroids(spots, experiments)
    h = table["rlp"] @ np.linalg.inv(experiments.crystals[0].a).T
    near = np.abs(h - np.rint(h)).max(axis=1) < tolerance
    flags = np.where(near, Flag.STRONG | Flag.INDEXED, Flag.STRONG).astype(np.uint32)
    return spots | {"hkl": np.where(near[:, None], np.rint(h), 0).astype(np.int32), "flags": flags}


def with_crystal(experiments: ExperimentList, crystal: Crystal) -> ExperimentList:
    return replace(experiments, crystals=(crystal,))


def test_the_right_crystal_passes():
    experiments = experiments_of("oP", n_runs=2)
    result = refined(indexed(spots_of(experiments), experiments), experiments)
    assert not [line for line in result.messages if "Warning" in line]


def test_a_crystal_in_another_orientation_is_refused():
    true = experiments_of("tP")
    crystal = true.crystals[0]
    wrong = Crystal.from_cell(crystal.unit_cell, u_matrix=some_rotation(21), space_group="P 1")
    experiments = with_crystal(true, wrong)
    spots = indexed(spots_of(true), experiments)
    with pytest.raises(ConvergenceError, match="do not fit the spots") as caught:
        refined(spots, experiments)
    message = str(caught.value)
    assert "run1: " in message
    assert "% of that of points at random" in message
    assert "fit.accept_poor_fit=true" in message
    lines = refined(spots, experiments, LENIENT).messages
    assert any(line.startswith("Warning: the refined models do not fit") for line in lines)


def test_runs_of_two_crystals_are_named():
    true = experiments_of("oP", n_runs=2)
    crystal = true.crystals[0]
    other = Crystal.from_cell(
        crystal.unit_cell, u_matrix=some_rotation(11), space_group=crystal.space_group
    )
    parts = [
        select(t, t["experiment"] == i)
        for i, t in enumerate((spots_of(true), spots_of(with_crystal(true, other))))
    ]
    few = select(parts[1], np.arange(n_rows(parts[1])) % 3 == 0)
    spots = indexed(concatenate([parts[0], few]), true)
    with pytest.raises(ConvergenceError, match=r"not one crystal.* do not fit run2 ") as caught:
        refined(spots, true)
    assert "indexing.joint_indexing=false" in str(caught.value)


def test_a_cell_that_changes_beyond_reason_is_refused():
    true = experiments_of("oP")
    spots = indexed(spots_of(true, sigma=0.02), true)
    crystal = true.crystals[0]
    cell = (*(1.07 * np.array(crystal.unit_cell[:3])), *crystal.unit_cell[3:])
    start = with_crystal(
        true, Crystal.from_cell(cell, u_matrix=crystal.u, space_group=crystal.space_group)
    )
    with pytest.raises(ConvergenceError, match=r"cell of run1 changed by up to 6\.\d %") as caught:
        refined(spots, start, reflections={"outlier": {"algorithm": None}})
    assert "crystal.fix=cell" in str(caught.value)
    # what the message advises
    fixed = {"scan_varying": False, "crystal": {"fix": "cell"}, "detector": {"fix": None}}
    result = refined(
        spots, start, reflections={"outlier": {"algorithm": None}}, parameterisation=fixed
    )
    assert result.experiments.crystals[0].unit_cell == pytest.approx(cell, rel=1e-9)


def test_most_reflections_left_out_is_refused():
    true = experiments_of("oP")
    spots = indexed(spots_of(true, d_min=6.0), true)
    dense = (spots["z"] < 12.0) & (spots["z"] > 0.0)
    sparse = ~dense & (np.arange(n_rows(spots)) % 5 == 0)
    spots = select(spots, dense | sparse)
    blocks = {"minimum_number_of_reflections": 20, "block_width": 3.0}
    with pytest.raises(ConvergenceError, match=r"indexed reflections of run1 \d+ are outliers"):
        refined(spots, true, reflections={"outlier": blocks})
    # what the message advises
    refined(spots, true, reflections={"outlier": blocks | {"block_width": 180.0}})
    lower = blocks | {"minimum_number_of_reflections": 3}
    refined(spots, true, reflections={"outlier": lower})


def test_few_spots_are_not_judged():
    true = experiments_of("oP")
    spots = indexed(spots_of(true, d_min=6.0), true)
    result = refined(spots, true)
    few = {k: v[:20] for k, v in result.reflections.items()}
    moved = few | {"hkl": few["hkl"] + 5}
    assert with_fit_judged(replace(result, reflections=moved), true, STRICT).reflections is moved
