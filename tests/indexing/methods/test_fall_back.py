"""Methods tried one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, same_lattice, spots_of

from dxdask.columns import select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.methods.fall_back import attempts, with_fall_back
from dxdask.models import Crystal, Detector, ExperimentList, Goniometer, Panel, Scan
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

CELL = (42.0, 55.0, 71.0, 90.0, 90.0, 90.0)


def known(**others):
    return IndexParameters(known_symmetry={"unit_cell": CELL}, **others)


def names(parameters):
    return [a.name for a in attempts(parameters)]


def test_attempts_that_apply():
    longer = ["fft3d, longer cells", "fft1d, longer cells"]
    assert names(IndexParameters()) == ["fft3d", *longer]
    assert names(IndexParameters(method="fft1d")) == ["fft1d", *longer[::-1]]
    assert names(IndexParameters(max_cell=80.0)) == ["fft3d", "fft1d"]
    assert names(IndexParameters(fall_back=False)) == ["fft3d"]
    assert names(known())[:2] == ["fft3d", "pinkindexer"]
    assert set(names(known(method="low_res_spot_match"))) == set(names(known()))
    multipliers = [a.parameters.max_cell_estimation.multiplier for a in attempts(IndexParameters())]
    assert multipliers == [1.3, 2.6, 2.6]


def recorded(successful, error=ConvergenceError):
    tried = []

    def attempt(parameters):
        tried.append(parameters.method)
        if parameters.method == successful:
            return StepResult(experiments=ExperimentList.of([]), reflections={}, messages=("m",))
        raise error(f"no luck with {parameters.method}")

    return tried, attempt


def test_first_that_fits_is_the_result_and_messages_say_what_failed():
    tried, attempt = recorded("real_space_grid_search")
    result = with_fall_back(known(), attempt)
    assert tried == ["fft3d", "pinkindexer", "real_space_grid_search"]
    assert "indexing.method=fft3d failed (no luck with fft3d; pinkindexer: no" in result.messages[0]
    assert result.messages[1:] == ("Indexed by real_space_grid_search", "m")
    tried, attempt = recorded("fft3d")
    assert with_fall_back(known(), attempt).messages == ("m",)


@pytest.mark.parametrize("error", [ConvergenceError, InputError])
def test_reasons_of_all_are_reported(error):
    _, attempt = recorded("none", error)
    with pytest.raises(
        error, match=r"^no luck with fft3d\nalso tried: fft3d, longer cells: no .*\n.*fft1d$"
    ):
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


@pytest.mark.jit
def test_a_long_axis_along_the_beam_has_no_neighbours():
    crystal = Crystal.from_cell((10.0, 10.0, 29.0, 90.0, 90.0, 90.0), space_group="P 4 2 2")
    panel = Panel(
        name="p", origin=(-100.0, 100.0, -115.0), pixel_size=(0.1, 0.1), image_size=(2000, 2000)
    )
    base = experiments_of("tP")[0]
    still = replace(
        base, beam=replace(base.beam, direction=(0.0, 0.0, 1.0), wavelength=0.7),
        goniometer=Goniometer(axes=((1.0, 0.0, 0.0),)), detector=Detector(panels=(panel,)),
        scan=Scan(image_range=(1, 8), oscillation=(0.0, 0.5)), crystal=crystal,
    )  # fmt: skip
    experiments = ExperimentList.of([still])
    spots = spots_of(experiments, d_min=1.4, sigma=0.2, outliers=0.4)
    alone = IndexParameters(fall_back=False)
    with pytest.raises(ConvergenceError):
        index(spots, experiments, alone, RefinementParameters())
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    assert same_lattice(primitive_a(crystal), result.experiments.crystals[0].a, within=0.15)
    assert result.messages[1] == "Indexed by fft3d, longer cells"
