"""Every spot has a fate, and counts by run add up."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.mixed_lattices import mixed

from dxdask.columns import Flag, has_flag, n_rows
from dxdask.fate import SpotFate
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.fates import fates_table, with_fates
from dxdask.indexing.max_cell import ICE_SPACINGS
from dxdask.indexing.parameters import IndexAssignment, MultipleLatticeSearch, RefinementProtocol
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit


def counts_of(row):
    return {k: v for k, v in row.items() if k.startswith("n_") and k != "n_spots"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"refinement_protocol": RefinementProtocol(d_min_final=4.5)},
        {"index_assignment": IndexAssignment(method="local")},
        {"multiple_lattice_search": MultipleLatticeSearch(max_lattices=2)},
    ],
    ids=["default", "d_min", "local", "two"],
)
def test_fates_are_those_of_the_flags(options):
    example = mixed("oP", fractions=(1.0, 0.5), n_runs=1)
    result = index(
        example.spots, example.experiments, IndexParameters(**options), RefinementParameters()
    )
    fate, table = result.reflections["fate"], result.reflections
    (row,) = result.table("fates").rows
    assert row["n_spots"] == n_rows(example.spots) == sum(counts_of(row).values())
    indexed, outlier = has_flag(table, Flag.INDEXED), has_flag(table, Flag.CENTROID_OUTLIER)
    np.testing.assert_array_equal(indexed, (fate == SpotFate.INDEXED) | (fate == SpotFate.OUTLIER))
    np.testing.assert_array_equal(fate == SpotFate.OUTLIER, indexed & outlier)
    assert row["n_outlier"] == np.count_nonzero(fate == SpotFate.OUTLIER) > 0
    off = "n_disconnected" if "index_assignment" in options else "n_off_lattice"
    assert row[off] > 100
    assert row["n_repeated"] + row["n_ice_ring"] > 0
    if "refinement_protocol" in options:
        d = 1.0 / np.linalg.norm(table["rlp"], axis=1)
        np.testing.assert_array_equal(fate == SpotFate.BEYOND_D_MIN, d < 4.5 - 1e-9)


def test_runs_are_counted_by_themselves():
    experiments = experiments_of("oP", n_runs=2)
    spots = spots_of(experiments, outliers=0.2)
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    rows = result.table("fates").rows
    assert [r["run"] for r in rows] == ["run1", "run2"]
    of_run = np.bincount(spots["experiment"])
    for row, n in zip(rows, of_run, strict=True):
        assert row["n_spots"] == n == sum(counts_of(row).values())
        assert row["reason"] == ""


def test_spots_on_ice_rings_are_set_apart():
    d = np.array([ICE_SPACINGS[0], 3.0, ICE_SPACINGS[1], ICE_SPACINGS[2]])
    table = {
        "rlp": np.array([[1.0, 0.0, 0.0]]) / d[:, None],
        "flags": np.array([0, 0, 0, Flag.INDEXED], dtype=np.uint32),
        "fate": np.array([3, 3, 5, 1], dtype=np.uint8),
    }
    fate = with_fates(table)["fate"].tolist()
    wanted = [SpotFate.ICE_RING, SpotFate.OFF_LATTICE, SpotFate.REPEATED, SpotFate.INDEXED]
    assert fate == wanted


def test_a_lattice_given_up_leaves_its_spots_off_the_lattice():
    table = {
        "rlp": np.full((1, 3), 0.2),
        "flags": np.zeros(1, dtype=np.uint32),
        "fate": np.array([SpotFate.INDEXED], dtype=np.uint8),
    }
    assert with_fates(table)["fate"].tolist() == [SpotFate.OFF_LATTICE]


def test_every_fate_has_words_and_a_column():
    experiments = experiments_of("oP")
    empty = {"experiment": np.zeros(0, np.int32), "fate": np.zeros(0, np.uint8)}
    (row,) = fates_table(empty, experiments).rows
    assert set(counts_of(row)) == {f"n_{f.name.lower()}" for f in SpotFate}
    assert len({f.words for f in SpotFate}) == len(SpotFate)
