"""Every method finds the lattice that spots came from, whatever frame and order they have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, primitive_a, same_lattice, spots_of

from dxdask.columns import n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.methods.search_lattices import METHODS, NEED_CELL, search_lattices
from dxdask.indexing.reciprocal import map_centroids
from dxdask.models import ExperimentList
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit

D_MIN = 6.0
TYPES = ("aP", "mC", "oF", "hR", "tP", "cI")


def chosen(method, lattice=None, **others):
    known = {}
    if lattice is not None and method in NEED_CELL:
        known = dict(zip(("unit_cell", "space_group"), LATTICES[lattice], strict=True))
    return IndexParameters(method=method, fall_back=False, known_symmetry=known, **others)


def searched(spots, experiments, parameters, d_min=D_MIN):
    max_cell = 1.3 * max(max(c.unit_cell[:3]) for c in experiments.crystals)
    mapped = map_centroids(spots, experiments)
    return search_lattices(
        mapped, experiments, max_cell=max_cell, d_min=d_min, parameters=parameters
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lattice", TYPES)
def test_lattice_is_the_first_of_those_found(method, lattice):
    experiments = experiments_of(lattice)
    spots = spots_of(experiments, d_min=D_MIN, outliers=0.2)
    (best, *_) = searched(spots, experiments, chosen(method, lattice))
    truth = primitive_a(experiments.crystals[0])
    assert same_lattice(truth, best.a_matrix, within=0.1)
    assert abs(np.linalg.det(np.rint(np.linalg.solve(truth, best.a_matrix)))) == pytest.approx(1.0)


@pytest.mark.parametrize("method", METHODS)
def test_whole_indexing_by_each_method(method):
    experiments = experiments_of("mP")
    spots = spots_of(experiments, d_min=5.0, outliers=0.2)
    result = index(spots, experiments, chosen(method, "mP"), RefinementParameters())
    cell = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(sorted(cell[:3]), (42.0, 55.0, 61.0), rtol=2e-3)
    true = np.any(spots["hkl"] != 0, axis=1)
    assert np.any(result.reflections["hkl"][true] != 0, axis=1).mean() > 0.99


@pytest.mark.parametrize("method", ["real_space_grid_search", "pinkindexer", "low_res_spot_match"])
def test_narrow_wedge_with_few_spots(method):
    experiments = experiments_of("oP")
    spots = spots_of(experiments, d_min=6.0, sigma=0.2, outliers=0.2)
    some = select(spots, np.flatnonzero(spots["z"] < 3.0))  # 2.4 degrees
    assert n_rows(some) < 120
    (best, *_) = searched(some, experiments, chosen(method, "oP"))
    assert same_lattice(primitive_a(experiments.crystals[0]), best.a_matrix, within=0.15)


def test_spurious_spots_near_the_beam_of_a_wide_sweep():
    """Real spots of low resolution are few there, spurious ones as many as anywhere."""
    experiments = experiments_of("oP")
    spots = spots_of(experiments, d_min=5.0)
    rng = np.random.default_rng(2)
    spurious = {k: v[:50].copy() for k, v in spots.items()}
    spurious["hkl"][:] = 0
    spurious["x"], spurious["y"] = rng.uniform(440.0, 600.0, (2, 50))
    spurious["z"] = rng.uniform(0.0, 60.0, 50)
    both = {k: np.concatenate([v, spurious[k]]) for k, v in spots.items()}
    (best, *_) = searched(both, experiments, chosen("low_res_spot_match", "oP"))
    assert same_lattice(primitive_a(experiments.crystals[0]), best.a_matrix, within=0.1)


def turned(experiments, rotation):
    """The experiments in a laboratory frame that is rotated."""
    e = experiments[0]
    panels = tuple(p.moved(rotation) for p in e.detector.panels)
    goniometer = replace(e.goniometer, axes=tuple(vector(rotation @ a) for a in e.goniometer.axes))
    beam = replace(e.beam, direction=vector(rotation @ e.beam.direction))
    crystal = replace(e.crystal, a_matrix=matrix(rotation @ e.crystal.a))
    detector = replace(e.detector, panels=panels)
    return ExperimentList.of(
        [replace(e, beam=beam, goniometer=goniometer, detector=detector, crystal=crystal)]
    )


@pytest.mark.parametrize("method", METHODS)
def test_rotation_of_the_laboratory_frame(method):
    experiments = experiments_of("tP")
    spots = spots_of(experiments, d_min=D_MIN)
    other = turned(experiments, rotation_matrix((1.0, 2.0, -0.5), 0.7))
    np.testing.assert_allclose(
        map_centroids(spots, other)["rlp"] @ rotation_matrix((1.0, 2.0, -0.5), 0.7),
        map_centroids(spots, experiments)["rlp"],
        atol=1e-9,
    )
    (best, *_) = searched(spots, other, chosen(method, "tP"))
    assert same_lattice(primitive_a(other.crystals[0]), best.a_matrix, within=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_spots(method):
    experiments = experiments_of("oC")
    spots = spots_of(experiments, d_min=D_MIN, outliers=0.2)
    mixed = select(spots, np.random.default_rng(4).permutation(n_rows(spots)))
    found = [searched(s, experiments, chosen(method, "oC"))[0] for s in (spots, mixed)]
    relation = np.linalg.solve(found[0].a_matrix, found[1].a_matrix)
    np.testing.assert_allclose(relation, np.rint(relation), atol=0.02)
    assert abs(np.linalg.det(relation)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("method", NEED_CELL)
def test_method_that_needs_a_cell_says_so(method):
    experiments = experiments_of("tP")
    spots = spots_of(experiments, d_min=D_MIN)
    with pytest.raises(InputError, match=rf"method={method} needs the unit cell.*unit_cell"):
        index(spots, experiments, IndexParameters(method=method), RefinementParameters())


@pytest.mark.parametrize("method", METHODS)
def test_too_few_spots(method):
    experiments = experiments_of("tP")
    spots = select(spots_of(experiments, d_min=D_MIN), np.arange(5))
    with pytest.raises(ConvergenceError, match=r"5 of 5 spots.*(6|15) are needed.*find more spots"):
        searched(spots, experiments, chosen(method, "tP"), d_min=3.0)


@pytest.mark.parametrize("method", METHODS)
def test_spots_in_one_plane(method):
    experiments = experiments_of("tP")
    spots = map_centroids(spots_of(experiments, d_min=D_MIN), experiments)
    spots["rlp"][:, 2] = 0.0
    with pytest.raises(ConvergenceError, match=r"one plane.*more images"):
        search_lattices(
            spots, experiments, max_cell=100.0, d_min=D_MIN, parameters=chosen(method, "tP")
        )
