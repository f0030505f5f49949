"""Macrocycles: how resolution opens, and what happens where refinement runs away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of

from dxdask.columns import Flag, has_flag
from dxdask.errors import ConvergenceError
from dxdask.indexing import IndexParameters, macrocycles
from dxdask.indexing.macrocycles import (
    Resolution,
    _has_grown,
    resolution_steps,
    run_macrocycles,
)
from dxdask.indexing.parameters import RefinementProtocol
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.refinement_settings import for_indexing
from dxdask.models import Crystal
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

RESOLUTION = Resolution(start=5.0, step=0.75, final=3.5)


def run(experiments, spots):
    settings = for_indexing(RefinementParameters())
    return run_macrocycles(spots, experiments, RESOLUTION, IndexParameters(), settings)


def test_resolution_opens_in_equal_steps_to_that_of_the_spots():
    rlp = np.array([[0.0, 0.0, 0.5], [0.0, 0.1, 0.0]])
    steps = resolution_steps(rlp, 4.0, RefinementProtocol())
    d_mins = [steps.of_cycle(i) for i in range(5)]
    np.testing.assert_allclose(d_mins, [4.0, 3.5, 3.0, 2.5, 2.0], rtol=1e-8)
    assert steps.of_cycle(9) < 2.0


def test_spots_beyond_d_min_final_are_never_used():
    rlp = np.array([[0.0, 0.0, 0.5]])
    for start in (1.0, 2.0, 5.0):
        steps = resolution_steps(rlp, start, RefinementProtocol(d_min_final=4.0))
        assert min(steps.of_cycle(i) for i in range(9)) == 4.0


@pytest.mark.jit
def test_a_later_refinement_that_runs_away_is_undone(monkeypatch):
    experiments = experiments_of("tP")
    spots = map_centroids(spots_of(experiments), experiments)
    grown = iter([False, True])
    monkeypatch.setattr(macrocycles, "_has_grown", lambda *_: next(grown))
    result = run(experiments, spots)
    assert any("undone" in m for m in result.messages)
    assert has_flag(result.reflections, Flag.INDEXED).any()


def test_a_first_refinement_that_runs_away_is_an_error(monkeypatch):
    experiments = experiments_of("tP")
    spots = map_centroids(spots_of(experiments), experiments)
    monkeypatch.setattr(macrocycles, "_has_grown", lambda *_: True)
    with pytest.raises(ConvergenceError, match=r"grew by more than half .*max_cell"):
        run(experiments, spots)


@pytest.mark.parametrize(
    ("factors", "grown"),
    [
        ((1.0, 1.0), False),
        ((1.49, 0.5), False),
        ((1.5, 1.5), False),
        ((1.51, 1.0), True),
        ((0.2, 1.51), True),
    ],
)
def test_a_cell_has_grown_when_its_volume_is_more_than_half_larger(factors, grown):
    cells = ((40.0, 50.0, 60.0, 90.0, 90.0, 90.0), (30.0, 40.0, 80.0, 90.0, 100.0, 90.0))
    larger = tuple((a * f, *rest) for (a, *rest), f in zip(cells, factors, strict=True))
    before, after = result_with(cells), result_with(larger)
    assert _has_grown(before, after) is grown


def result_with(cells):
    crystals = tuple(Crystal.from_cell(cell) for cell in cells)
    return StepResult(experiments=replace(experiments_of("tP"), crystals=crystals), reflections={})


def test_a_refinement_that_grows_the_cell_is_an_error(monkeypatch):
    experiments = experiments_of("tP")
    spots = map_centroids(spots_of(experiments), experiments)
    monkeypatch.setattr(macrocycles, "refine", refine_with_growth(1.6))
    with pytest.raises(ConvergenceError, match="grew by more than half"):
        run(experiments, spots)
    monkeypatch.setattr(macrocycles, "refine", refine_with_growth(1.4))
    assert not any("undone" in m for m in run(experiments, spots).messages)


def refine_with_growth(factor):
    """Return a refinement that only makes the volume of the first cell this much larger."""

    def grow(table, experiments, _):
        crystal = experiments.crystals[0]
        grown = replace(crystal, a_matrix=np.array(crystal.a_matrix) / np.cbrt(factor))
        return StepResult(experiments=replace(experiments, crystals=(grown,)), reflections=table)

    return grow
