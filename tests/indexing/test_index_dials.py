"""Spots that DIALS indexed too: at least as many, with the same cells."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.columns import Flag, has_flag, n_rows
from dxdask.indexing import BravaisParameters, IndexParameters, index, refine_bravais_settings
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.parameters import MaxCellEstimation
from dxdask.indexing.reciprocal import map_centroids
from dxdask.refinement import RefinementParameters
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz

pytestmark = pytest.mark.shared


def load(models, spots):
    table = read_npz(spots)
    n = n_rows(table)
    table.setdefault("panel", np.zeros(n, dtype=np.int32))
    table.setdefault("flags", np.full(n, Flag.STRONG, dtype=np.uint32))
    table["experiment"] = np.maximum(table["experiment"], 0)
    return table, read_experiments(models)


@pytest.mark.parametrize(
    ("name", "n_indexed", "cell"),
    [
        ("phi_scan", 2006, (11.6175, 13.543, 30.085, 89.956, 93.718, 90.130)),
        ("lpe4", 1174, (37.95, 78.01, 78.32, 90.0, 90.0, 90.0)),
        ("mxsw", 1353, (11.7195, 11.7206, 11.7360, 109.0, 109.1, 109.2)),
    ],
)
def test_real_lists_of_spots(shared, name, n_indexed, cell):
    folder = shared / "data" / "real" / "strong_spots"
    spots, experiments = load(folder / f"{name}.expt", folder / f"{name}.npz")
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    assert np.count_nonzero(has_flag(result.reflections, Flag.INDEXED)) >= n_indexed
    found = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(sorted(found[:3]), sorted(cell[:3]), rtol=2e-3)
    np.testing.assert_allclose(found[3:], cell[3:], atol=0.3)


def test_electrons_with_known_cell(shared):
    folder = shared / "reference" / "lysozyme_ed"
    spots, experiments = load(folder / "imported.expt", folder / "strong.npz")
    known = {"space_group": "P43212", "unit_cell": "77.8,77.8,40.5,90,90,90"}
    fixed = RefinementParameters(parameterisation={"detector": {"fix": "distance"}})
    result = index(spots, experiments, IndexParameters(known_symmetry=known), fixed)
    theirs = read_npz(folder / "indexed.npz")
    n_theirs = np.count_nonzero(has_flag(theirs, Flag.INDEXED))
    assert np.count_nonzero(has_flag(result.reflections, Flag.INDEXED)) >= n_theirs
    cell = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(cell[:3], (77.746, 77.746, 41.22), rtol=0.01)
    assert _agreement(result.reflections, theirs) > 0.999


def _agreement(ours, theirs):
    """Fraction of spots indexed by both whose indices differ by one rotation only."""
    place = {k: i for i, k in enumerate(_positions(theirs))}
    rows = np.array([place[k] for k in _positions(ours)])
    both = has_flag(ours, Flag.INDEXED) & has_flag(theirs, Flag.INDEXED)[rows]
    h, k = ours["hkl"][both], theirs["hkl"][rows][both]
    change = np.rint(np.linalg.lstsq(h, k, rcond=None)[0])
    return np.all(h @ change == k, axis=1).mean()


def _positions(table):
    return [tuple(k) for k in np.round(np.column_stack([table[c] for c in "xyz"]), 4)]


@pytest.fixture(scope="module")
def insulin(shared):
    folder = shared / "reference" / "insulin"
    return load(folder / "imported.expt", folder / "strong.npz")


DIALS_INDEXED = (29286, 37311, 45529, 53884, 61833)


def test_max_cell_of_insulin(insulin):
    spots, experiments = insulin
    found = find_max_cell(map_centroids(spots, experiments), MaxCellEstimation())
    assert found == pytest.approx(76.4, abs=0.5)


@pytest.mark.slow
def test_insulin_ensemble_with_known_space_group(insulin):
    spots, experiments = insulin
    parameters = IndexParameters(known_symmetry={"space_group": "I213"})
    result = index(spots, experiments, parameters, RefinementParameters())
    rows = result.table("imagesets").rows
    for row, theirs in zip(rows, DIALS_INDEXED, strict=True):
        assert row["n_indexed"] >= 0.998 * theirs
        assert row["percent"] > 99.7
    (crystal,) = result.experiments.crystals
    assert crystal.space_group == "I 21 3"
    assert crystal.unit_cell[0] == pytest.approx(77.55, abs=0.03)
    # Largest of DIALS's after the last macrocycle, px and images.
    for row in result.table("rmsds").rows:
        assert row["rmsd_x_px"] < 0.37
        assert row["rmsd_y_px"] < 0.39
        assert row["rmsd_z_images"] < 0.25


@pytest.mark.slow
def test_insulin_ensemble_without_prior_and_its_bravais_table(insulin):
    spots, experiments = insulin
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    for row, theirs in zip(result.table("imagesets").rows, DIALS_INDEXED, strict=True):
        assert row["n_indexed"] >= 0.998 * theirs
    cell = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(cell[:3], 67.45, atol=0.12)
    np.testing.assert_allclose(cell[3:], 109.45, atol=0.15)
    settings = refine_bravais_settings(
        result.reflections, result.experiments, BravaisParameters(), RefinementParameters()
    ).table("bravais")
    best = next(r for r in settings.rows if r["recommended"])
    assert best["lattice"] == "cI"
    assert len(settings.rows) == 22
