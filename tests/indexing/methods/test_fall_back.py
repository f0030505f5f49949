"""Methods tried one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, same_lattice, spots_of

from dxdask.columns import select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.methods.fall_back import methods_to_try, with_fall_back
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

CELL = (42.0, 55.0, 71.0, 90.0, 90.0, 90.0)


def known(**others):
    return IndexParameters(known_symmetry={"unit_cell": CELL}, **others)


def test_methods_that_apply():
    assert methods_to_try(IndexParameters()) == ["fft3d", "fft1d"]
    assert methods_to_try(IndexParameters(method="fft1d")) == ["fft1d", "fft3d"]
    assert methods_to_try(IndexParameters(fall_back=False)) == ["fft3d"]
    assert methods_to_try(known())[:2] == ["fft3d", "pinkindexer"]
    assert set(methods_to_try(known(method="low_res_spot_match"))) == set(methods_to_try(known()))


def attempts(successful, error=ConvergenceError):
    tried = []

    def attempt(parameters):
        tried.append(parameters.method)
        if parameters.method == successful:
            return StepResult(experiments=ExperimentList.of([]), reflections={}, messages=("m",))
        raise error(f"no luck with {parameters.method}")

    return tried, attempt


def test_first_that_fits_is_the_result_and_messages_say_what_failed():
    tried, attempt = attempts("real_space_grid_search")
    result = with_fall_back(known(), attempt)
    assert tried == ["fft3d", "pinkindexer", "real_space_grid_search"]
    assert "indexing.method=fft3d failed (no luck with fft3d; pinkindexer: no" in result.messages[0]
    assert result.messages[1:] == ("Indexed by real_space_grid_search", "m")
    tried, attempt = attempts("fft3d")
    assert with_fall_back(known(), attempt).messages == ("m",)


@pytest.mark.parametrize("error", [ConvergenceError, InputError])
def test_reasons_of_all_are_reported(error):
    _, attempt = attempts("none", error)
    with pytest.raises(error, match=r"^no luck with fft3d; also tried: fft1d: no luck with fft1d$"):
        with_fall_back(IndexParameters(), attempt)
    with pytest.raises(error, match=r"^no luck with fft3d$"):
        with_fall_back(IndexParameters(fall_back=False), attempt)


@pytest.mark.jit
def test_few_spots_of_a_known_cell_are_indexed_by_another_method():
    experiments = experiments_of("oP")
    spots = spots_of(experiments, d_min=7.0, sigma=0.2, outliers=0.4)
    some = select(spots, np.flatnonzero(spots["z"] < 1.6))  # 1.3 degrees
    assert len(some["x"]) < 60
    alone = known(fall_back=False)
    with pytest.raises(ConvergenceError):
        index(some, experiments, alone, RefinementParameters())
    result = index(some, experiments, known(), RefinementParameters())
    truth = primitive_a(experiments.crystals[0])
    assert same_lattice(truth, result.experiments.crystals[0].a, within=0.15)
    assert result.messages[0].startswith("indexing.method=fft3d failed (")
    assert result.messages[1] == "Indexed by pinkindexer"
