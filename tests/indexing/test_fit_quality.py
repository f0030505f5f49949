"""Solutions that cannot be right are refused, with what is likely wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import concatenate, n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.fit_quality import RunFit, is_poor
from dxdask.models import Crystal
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit


def of_two_crystals():
    """Return spots of two runs, each of a crystal in an orientation of its own."""
    first = experiments_of("oP", n_runs=2)
    crystal = first.crystals[0]
    other = Crystal.from_cell(
        crystal.unit_cell, u_matrix=some_rotation(11), space_group=crystal.space_group
    )
    spots = spots_of(first)
    second = spots_of(replace(first, crystals=(other,)))
    parts = [select(t, t["experiment"] == i) for i, t in enumerate((spots, second))]
    few = select(parts[1], np.arange(n_rows(parts[1])) % 3 == 0)
    return first, concatenate([parts[0], few])


def test_runs_of_two_crystals_are_not_indexed_jointly():
    experiments, spots = of_two_crystals()
    with pytest.raises(ConvergenceError, match="not one crystal") as caught:
        index(spots, experiments, IndexParameters(), RefinementParameters())
    message = str(caught.value)
    assert "indexing.joint_indexing=false" in message
    assert all(f"{run}: " in message for run in experiments.runs)
    apart = IndexParameters(joint_indexing=False)
    result = index(spots, experiments, apart, RefinementParameters())
    assert len(result.experiments.crystals) == 2
    accepted = IndexParameters(accept_poor_fit=True)
    lines = index(spots, experiments, accepted, RefinementParameters()).messages
    assert any(line.startswith("Warning: not one crystal") for line in lines)


def at_random(spots, seed=1):
    """Return as many spots, at random places."""
    rng = np.random.default_rng(seed)
    places = {k: rng.uniform(spots[k].min(), spots[k].max(), n_rows(spots)) for k in "xyz"}
    return spots | places


def test_spots_of_no_lattice_are_an_error():
    experiments = experiments_of("oP")
    spots = at_random(spots_of(experiments))
    with pytest.raises(ConvergenceError):
        index(spots, experiments, IndexParameters(), RefinementParameters())


def test_spots_beside_the_lattice_are_a_warning():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    spots = concatenate([spots, at_random(spots), at_random(spots, seed=2)])
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    assert any("further lattices" in line for line in result.messages)


@pytest.mark.parametrize(
    ("fit", "poor"),
    [
        ({}, False),
        ({"n_indexed": 40, "misfit": 0.3}, False),  # lists with other lattices
        ({"n_indexed": 30, "misfit": 0.7}, True),
        ({"misfit": 0.8}, True),
        ({"rmsd_xy": 7.0}, True),
        ({"rmsd_z": 5.0, "rmsd_phi_deg": 0.25}, False),  # thin images
        ({"rmsd_z": 5.0, "rmsd_phi_deg": 2.5}, True),
        ({"misfit": 0.58, "rmsd_z": 0.5}, False),
    ],
)
def test_limits(fit: dict[str, float], poor: bool) -> None:
    values = {"n_spots": 100, "n_indexed": 95, "misfit": 0.25, "rmsd_xy": 0.5, "rmsd_z": 0.3}
    values["rmsd_phi_deg"] = 0.15
    assert is_poor(RunFit(run="a", **{**values, **fit})) is poor
