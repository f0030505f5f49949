"""Parameters of indexing: DIALS's names, checked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dxdask.errors import InputError
from dxdask.indexing import IndexParameters
from dxdask.indexing.macrocycles import Resolution
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.refinement_settings import for_candidates, for_indexing
from dxdask.refinement import RefinementParameters


def test_defaults_are_those_of_dials():
    p = IndexParameters()
    assert p.joint_indexing
    assert p.index_assignment.simple.hkl_tolerance == 0.3
    assert p.refinement_protocol.n_macro_cycles == 5
    assert p.fft3d.reciprocal_space_grid.n_points == 256
    assert p.basis_vector_combinations.max_combinations == 50
    assert p.max_cell_estimation.multiplier == 1.3
    assert p.known_symmetry.relative_length_tolerance == 0.1
    assert p.known_symmetry.absolute_angle_tolerance == 5.0


@pytest.mark.parametrize("text", ["77.8,77.8,40.5,90,90,90", "77.8 77.8 40.5 90 90 90"])
def test_cell_as_text(text):
    assert KnownSymmetry(unit_cell=text).unit_cell == (77.8, 77.8, 40.5, 90.0, 90.0, 90.0)


@pytest.mark.parametrize("symbol", ["I213", "I 21 3", "199"])
def test_space_group_in_any_spelling(symbol):
    assert KnownSymmetry(space_group=symbol).space_group == "I 21 3"


def test_what_is_not_known_is_refused():
    with pytest.raises((InputError, ValidationError), match="unknown space group"):
        KnownSymmetry(space_group="P99")
    with pytest.raises(ValidationError):
        IndexParameters(macro_cycles=3)
    with pytest.raises(ValidationError):
        KnownSymmetry(unit_cell="78,78,78")
    with pytest.raises(ValidationError):
        IndexParameters(refinement_protocol={"n_macro_cycles": 0})


def test_auto_is_settled_and_what_the_user_chose_is_kept():
    settled = for_indexing(RefinementParameters())
    assert settled.reflections.outlier.algorithm == "tukey"
    assert settled.reflections.reflections_per_degree == 100.0
    chosen = RefinementParameters(
        reflections={"reflections_per_degree": 7, "outlier": {"algorithm": "mcd"}}
    )
    assert for_indexing(chosen).reflections == chosen.reflections
    assert for_indexing(chosen).parameterisation.scan_varying is False
    assert for_candidates(chosen).refinery.max_iterations == 4


def test_resolution_opens_step_by_step():
    steps = Resolution(start=2.0, step=0.25, final=1.4)
    assert [steps.of_cycle(i) for i in range(5)] == [2.0, 1.75, 1.5, 1.4, 1.4]
