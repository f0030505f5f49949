"""Lattices of stills whose cell is not known, one by one and agreed upon."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.still_examples import (
    LYSOZYME,
    TETRAGONAL,
    crystal_of,
    misorientation,
    noise_of,
    still_of,
)

from dxdask.fate import Fate
from dxdask.indexing.reduction import niggli_reduced
from dxdask.indexing.stills import StillIndexParameters
from dxdask.indexing.stills.blind import lattice_of_still
from dxdask.indexing.stills.consensus import clusters, consensus_table, propose_cells
from dxdask.indexing.stills.lattice_signature import mean_cell, multiple_of, signatures, sublattices
from dxdask.indexing.stills.parameters import BlindSearch, Consensus
from dxdask.indexing.stills.still import index_still
from dxdask.indexing.stills.transform import transform_peaks
from dxdask.models.crystal import b_matrix, cell_of

pytestmark = pytest.mark.jit


def same_lattice(a_matrix, truth):
    relation = np.linalg.inv(a_matrix) @ truth
    whole = np.rint(relation)
    return np.abs(relation - whole).max() < 0.1 and abs(round(np.linalg.det(whole))) == 1


def lattices_of(cell, n_stills, *, seed=0, **options):
    rng = np.random.default_rng(seed)
    truths = [crystal_of(cell, rng) for _ in range(n_stills)]
    return truths, [still_of(t, rng, **options)[0] for t in truths]


@pytest.mark.parametrize(
    "cell",
    [
        LYSOZYME,
        (92.9, 92.9, 130.4, 90, 90, 120),
        (42.1, 67.3, 55.0, 90, 103.4, 90),
        (31.0, 37.5, 45.2, 81.0, 76.0, 68.0),
    ],
)
def test_the_lattice_of_one_still(cell):
    for truth, q in zip(*lattices_of(cell, 5, n=150), strict=True):
        assert same_lattice(lattice_of_still(q), truth)


def test_the_primitive_cell_of_a_centred_lattice():
    cell = (78.0, 78.0, 78.0, 90.0, 90.0, 90.0)
    _, (q,) = lattices_of(cell, 1, centring="I")
    found = gemmi.UnitCell(*cell_of(lattice_of_still(q)))
    assert found.volume == pytest.approx(78.0**3 / 2, rel=0.02)


def test_peaks_are_lattice_vectors_however_the_beam_points():
    (truth,), (q,) = lattices_of(LYSOZYME, 1)
    rotation = crystal_of((1.0, 1.0, 1.0, 90.0, 90.0, 90.0), np.random.default_rng(5))
    for seen, a_matrix in ((q, truth), (q @ rotation.T, rotation @ truth)):
        vectors = transform_peaks(seen, BlindSearch())
        whole = vectors @ a_matrix
        assert np.mean(np.abs(whole - np.rint(whole)).max(axis=1) < 0.15) > 0.9


def test_limits_of_the_search_for_peaks():
    _, (q,) = lattices_of(LYSOZYME, 1)
    short = transform_peaks(q, BlindSearch(max_cell=60.0))
    assert np.linalg.norm(short, axis=1).max() <= 60.0
    assert lattice_of_still(q, StillIndexParameters(blind=BlindSearch(max_cell=60.0))) is None
    assert len(transform_peaks(q, BlindSearch(n_peaks=7))) == 7
    # a coarser grid reaches less far from the beam
    coarse = transform_peaks(q, BlindSearch(n_points=64))
    assert not np.array_equal(coarse, transform_peaks(q, BlindSearch()))


@pytest.mark.parametrize("n", [0, 2, 8, 30, 150])
def test_no_lattice_on_noise(n):
    rng = np.random.default_rng(n)
    _, (q,) = lattices_of(LYSOZYME, 1)
    assert all(lattice_of_still(noise_of(q, n, rng)) is None for _ in range(5))


def test_limits_refuse():
    _, (q,) = lattices_of(LYSOZYME, 1)
    q = np.vstack([q, noise_of(q, 5, np.random.default_rng(1))])
    assert lattice_of_still(q) is not None
    for values in ({"min_indexed": 130}, {"min_fraction": 0.99}, {"min_evidence": 1e4},
                   {"max_spots": 100}):  # fmt: skip
        assert lattice_of_still(q, StillIndexParameters.model_validate(values)) is None


@given(st.integers(0, 2**32 - 1))
def test_signature_does_not_depend_on_axes(seed):
    rng = np.random.default_rng(seed)
    cell = (*rng.uniform(30, 90, 3), *rng.uniform(75, 105, 3))
    a_matrix = crystal_of(cell, rng)
    change = np.eye(3)
    for _ in range(4):
        i, j = rng.choice(3, 2, replace=False)
        change[i] += rng.choice([-1, 1]) * change[j]
    other = np.linalg.inv(change @ np.linalg.inv(a_matrix))
    found = signatures(np.array([niggli_reduced(a_matrix), niggli_reduced(other)]))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize(("index", "n"), [(1, 1), (2, 7), (3, 13), (4, 35), (5, 31)])
def test_all_sublattices_of_an_index(index, n):
    found = sublattices(index)
    assert len(found) == n
    assert all(round(np.linalg.det(m)) == index for m in found)


def test_multiples_of_a_cell():
    double = (79.2, 79.2, 76.0, 90.0, 90.0, 90.0)
    assert multiple_of(double, LYSOZYME, 0.02) == 2
    assert multiple_of(LYSOZYME, double, 0.02) is None
    assert multiple_of(LYSOZYME, LYSOZYME, 0.02) == 1
    assert multiple_of((79.2, 90.0, 66.9, 90.0, 90.0, 90.0), LYSOZYME, 0.02) is None


def test_mean_cell_across_settings_that_jump():
    rng = np.random.default_rng(3)
    cells = [(50.0 + x, 50.0 - x, 80.0, 90.0 + y, 90.0 - y, 90.0 + y)
             for x, y in rng.normal(0, 0.1, (30, 2))]  # fmt: skip
    reduced = np.array([niggli_reduced(crystal_of(c, rng)) for c in cells])
    assert mean_cell(reduced) == pytest.approx((50, 50, 80, 90, 90, 90), abs=0.1)


def test_cells_are_counted_and_related():
    truths, _ = lattices_of(LYSOZYME, 12)
    doubled = [np.linalg.inv(np.diag([1, 1, 2]) @ np.linalg.inv(a)) for a in truths[:4]]
    strange = [b_matrix((61.0, 70.0, 83.0, 77.0, 88.0, 95.0))]
    reduced = np.array([niggli_reduced(a) for a in [*truths, *doubled, *strange]])
    cells = propose_cells(reduced)
    assert [c.n_crystals for c in cells] == [12, 4]
    assert [c.lattice for c in cells] == ["tP", "tP"]
    assert cells[0].known.cell == pytest.approx(LYSOZYME, rel=1e-3)
    assert cells[1].relation == "2 x cell 1"
    rows = consensus_table(cells, len(reduced)).rows
    assert [r["proposed"] for r in rows] == [True, False]
    assert rows[0]["percent"] == pytest.approx(100 * 12 / 17)
    assert len(propose_cells(reduced, Consensus(min_crystals=5))) == 1
    assert len(propose_cells(reduced, Consensus(min_crystals=1))) == 3
    assert propose_cells(reduced[:1])[0].n_crystals == 1
    assert propose_cells(reduced[[0, -1]]) == []
    assert propose_cells(reduced, Consensus(max_crystals=9))[0].n_crystals == 6


def test_no_lattices_no_cells():
    assert propose_cells(np.empty((0, 3, 3))) == []
    assert clusters(np.empty((0, 3, 3)), 0.03) == []


def test_tolerances_of_the_consensus():
    rng = np.random.default_rng(6)
    cells = [(79.2 * s, 79.2 * s, 38.0 * s, 90.0, 90.0, 90.0) for s in (0.98, 1.0, 1.02)]
    reduced = np.array([niggli_reduced(crystal_of(c, rng)) for c in cells])
    assert [len(c) for c in clusters(reduced, 0.03)] == [3]
    assert [len(c) for c in clusters(reduced, 0.005)] == [1, 1, 1]
    loose = Consensus(relative_length_tolerance=0.03)
    tight = Consensus(relative_length_tolerance=0.005)
    assert len(propose_cells(reduced, loose)) == 1
    assert propose_cells(reduced, tight) == []


def test_symmetry_within_the_tolerance_and_of_the_group():
    cell = (60.0, 60.5, 95.0, 90.0, 90.6, 90.0)
    rng = np.random.default_rng(7)
    reduced = np.array([niggli_reduced(crystal_of(cell, rng)) for _ in range(4)])
    assert propose_cells(reduced, Consensus(max_delta=1.5))[0].lattice == "tP"
    assert propose_cells(reduced, Consensus(max_delta=0.1))[0].lattice == "mP"
    group = gemmi.SpaceGroup("P 21 21 21")
    found = propose_cells(reduced, Consensus(max_delta=1.5), group)[0]
    assert (found.lattice, found.known.group.xhm()) == ("oP", group.xhm())
    assert propose_cells(reduced, Consensus(), gemmi.SpaceGroup("P 61 2 2")) == []


def test_consensus_indexes_the_stills_again():
    truths, spots = lattices_of(LYSOZYME, 6)
    cells = propose_cells(np.array([lattice_of_still(q) for q in spots]))
    for truth, q in zip(truths, spots, strict=True):
        found = index_still(q, cells[0].known)
        assert found.fate is Fate.INDEXED
        assert misorientation(found.a_matrices[0], truth, TETRAGONAL) < 0.3
