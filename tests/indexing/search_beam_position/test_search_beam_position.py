"""The beam centre is found from the spots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, spots_of
from support.wrong_geometry import beam_off, centre_px

from dxdask.columns import concatenate, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import from_datum, map_centroids, to_datum
from dxdask.indexing.search_beam_position import (
    SearchBeamPositionParameters,
    search_beam_position,
)
from dxdask.indexing.search_beam_position.best_shift import find_beam_shift
from dxdask.models import ExperimentList

pytestmark = pytest.mark.jit
DEFAULT = SearchBeamPositionParameters()


def some_slow(quick):
    return [pytest.param(k, marks=() if k in quick else pytest.mark.slow) for k in LATTICES]


@pytest.mark.parametrize("lattice", some_slow(("aP", "mC", "cI")))
def test_the_centre_is_found_to_a_pixel_and_a_half(lattice):
    experiments = experiments_of(lattice)
    spots = spots_of(experiments, outliers=0.3)
    rng = np.random.default_rng(7)
    for angle in rng.uniform(0.0, 2.0 * np.pi, 3):
        wrong = beam_off(experiments, (20 * np.cos(angle), 20 * np.sin(angle)))
        result = search_beam_position(spots, wrong, DEFAULT)
        found = centre_px(result.experiments)
        np.testing.assert_allclose(found, centre_px(experiments), atol=1.5)
        (row,) = result.table("beam_centres").rows
        assert row["percent"] > 80
        np.testing.assert_allclose([row["fast_px"], row["slow_px"]], found, atol=1e-9)
        before = [row["fast_px_before"], row["slow_px_before"]]
        np.testing.assert_allclose(before, centre_px(wrong), atol=1e-9)
        assert result.messages[0].startswith("Beam centre of run1: ")


def test_a_right_centre_stays():
    experiments = experiments_of("oP")
    result = search_beam_position(spots_of(experiments), experiments, DEFAULT)
    np.testing.assert_allclose(centre_px(result.experiments), centre_px(experiments), atol=1.5)
    assert result.experiments.crystals == ()


def test_order_of_the_spots_does_not_matter():
    experiments = beam_off(experiments_of("oP"), (15.0, 10.0))
    spots = spots_of(experiments_of("oP"))
    order = np.random.default_rng(1).permutation(n_rows(spots))
    first, second = (
        find_beam_shift(table, experiments, IndexParameters(), DEFAULT)
        for table in (spots, select(spots, order))
    )
    np.testing.assert_allclose(first.shift_mm, second.shift_mm, atol=0.05)


def test_each_detector_has_its_own_centre():
    experiments = experiments_of("oP", n_runs=2)
    first, second = (ExperimentList.of([e]) for e in experiments)
    wrong = ExperimentList.of([beam_off(first, (12.0, 0.0))[0], beam_off(second, (0.0, -15.0))[0]])
    result = search_beam_position(spots_of(experiments), wrong, DEFAULT)
    for k, e in enumerate((first, second)):
        found = ExperimentList.of([result.experiments[k]])
        np.testing.assert_allclose(centre_px(found), centre_px(e), atol=1.5)
    assert [r["run"] for r in result.table("beam_centres").rows] == ["run1", "run2"]


def test_a_small_scope_does_not_reach_it():
    experiments = experiments_of("oP")
    wrong = beam_off(experiments, (20.0, 0.0))
    near = DEFAULT.model_copy(update={"mm_search_scope": 0.5})
    result = search_beam_position(spots_of(experiments), wrong, near)
    assert np.abs(centre_px(result.experiments) - centre_px(wrong)).max() < 6.0


def test_cycles_d_min_and_max_cell_are_taken():
    experiments = experiments_of("oP")
    wrong = beam_off(experiments, (8.0, 8.0))
    parameters = SearchBeamPositionParameters(
        n_macro_cycles=2, d_min=4.0, max_cell=90.0, wide_search_binning=1, max_reflections=3000
    )
    result = search_beam_position(spots_of(experiments), wrong, parameters)
    np.testing.assert_allclose(centre_px(result.experiments), centre_px(experiments), atol=1.5)


def symmetric_images(centre, *, n_pairs=60, n_other=30, seed=2):
    """Spots in pairs about a centre (px) on ten images, and others anywhere."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(150, 850, (n_pairs, 2))
    xy = np.concatenate([places, 2 * np.asarray(centre) - places])
    xy = np.concatenate([xy + rng.normal(0, 0.3, xy.shape), rng.uniform(0, 1000, (n_other, 2))])
    image = np.concatenate([np.tile(np.arange(n_pairs) % 10, 2), rng.integers(0, 10, n_other)])
    template = select(spots_of(experiments_of("oP")), np.arange(len(xy)))
    return template | {"x": xy[:, 0], "y": xy[:, 1], "z": image + 0.5}


def test_inversion_finds_the_centre_of_symmetry():
    experiments = experiments_of("oP")
    detector = replace(
        experiments[0].detector,
        panels=tuple(replace(p, use_parallax=False) for p in experiments[0].detector.panels),
    )
    experiments = replace(experiments, detectors=(detector,))
    true = centre_px(experiments) + [11.0, -7.0]
    parameters = SearchBeamPositionParameters(method="inversion")
    result = search_beam_position(symmetric_images(true), experiments, parameters)
    np.testing.assert_allclose(centre_px(result.experiments), true, atol=0.3)


def test_inversion_without_symmetry_is_an_error():
    experiments = experiments_of("oP")
    parameters = SearchBeamPositionParameters(method="inversion")
    with pytest.raises(ConvergenceError, match="method=default"):
        search_beam_position(spots_of(experiments), experiments, parameters)


def test_spots_of_no_lattice_and_few_spots():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    with pytest.raises(InputError, match="10 spots are too few"):
        search_beam_position(select(spots, np.arange(10)), experiments, DEFAULT)
    one_place = select(spots, np.zeros(40, dtype=int))
    with pytest.raises(ConvergenceError, match="no lattice was found in 40 spots"):
        search_beam_position(one_place, experiments, DEFAULT)
    stills = ExperimentList.of([replace(experiments[0], goniometer=None, scan=None)])
    with pytest.raises(InputError):
        search_beam_position(spots, stills, DEFAULT)


def test_vectors_return_from_the_datum():
    experiments = experiments_of("oP", n_runs=2)
    spots = concatenate([map_centroids(spots_of(experiments), experiments)])
    mine = select(spots, spots["experiment"] == 1)
    e = experiments[1]
    q = from_datum(mine["rlp"], mine["phi_rad"], e)
    np.testing.assert_allclose(q, mine["s1"] - e.beam.s0, atol=1e-4)
    np.testing.assert_allclose(to_datum(q, mine["phi_rad"], e), mine["rlp"], atol=1e-4)
