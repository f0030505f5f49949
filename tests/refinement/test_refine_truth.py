"""Refinement recovers the models that simulated centroids were made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.refinement_cases import CELLS, centroids, disturbed, misorientation_deg, truth

from dxdask.columns import Flag, check, select
from dxdask.errors import ConvergenceError, InputError, SchemaError
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.predict import predict
from dxdask.refinement.summary import rmsd_in_plane

pytestmark = pytest.mark.jit


def params(**groups) -> RefinementParameters:
    return RefinementParameters.model_validate(groups)


NO_REJECTION = {"outlier": {"algorithm": None}}


@pytest.mark.parametrize("group", list(CELLS))
def test_noise_free_centroids_give_back_the_models(group):
    true = truth(group)
    table = centroids(true)
    result = refine(table, disturbed(true), params(reflections=NO_REJECTION))
    crystal, wanted = result.experiments.crystals[0], true.crystals[0]
    np.testing.assert_allclose(crystal.unit_cell, wanted.unit_cell, rtol=1e-5)
    assert misorientation_deg(crystal.u, wanted.u) < 1e-3
    old, new = true.detectors[0][0], result.experiments.detectors[0][0]
    assert new.distance == pytest.approx(old.distance, abs=2e-3)
    np.testing.assert_allclose(new.origin, old.origin, atol=5e-3)
    for row in result.table("rmsds").rows:
        assert max(row["rmsd_x_px"], row["rmsd_y_px"], row["rmsd_z_images"]) < 1e-4


def test_runs_that_share_a_crystal_refine_it_once():
    true = truth("I 21 3", n_runs=3, n_panels=2)
    table = centroids(true, d_min=4.0)
    start = disturbed(true)
    result = refine(table, start, params(reflections=NO_REJECTION))
    # A beam angle and six for the detector of each run, three of orientation, one of cell.
    assert "There are 25 parameters" in " ".join(result.messages)
    assert len(result.experiments.crystals) == 1
    np.testing.assert_allclose(result.experiments.crystals[0].unit_cell, CELLS["I 21 3"], rtol=1e-5)
    assert [r["run"] for r in result.table("rmsds").rows] == ["run1", "run2", "run3"]
    rows = result.table("panels").rows
    assert [(r["detector"], r["panel"]) for r in rows] == [(d, p) for d in range(3) for p in (0, 1)]
    assert max(r["rmsd_x_px"] for r in result.table("rmsds").rows) < 1e-4


def test_separate_crystals_are_refined_apart():
    true = truth("P 43 21 2", n_runs=2)
    other = replace(true.crystals[0], a_matrix=tuple(map(tuple, 1.003 * true.crystals[0].a)))
    members = (true.members[0], replace(true.members[1], crystal=1))
    true = replace(true, crystals=(true.crystals[0], other), members=members)
    result = refine(centroids(true), disturbed(true), params(reflections=NO_REJECTION))
    a = [c.unit_cell[0] for c in result.experiments.crystals]
    np.testing.assert_allclose(a, [79.0, 79.0 / 1.003], rtol=1e-5)


def test_a_run_without_a_crystal_is_left_as_it_is():
    true = truth(n_runs=2)
    table = centroids(true, sigma=0.05)
    first, second = disturbed(true)
    # as after indexing run by run, where the second could not be indexed
    beam, detector = replace(second.beam), replace(second.detector)
    lone = replace(second, crystal=None, beam=beam, detector=detector)
    mine = table["experiment"] == 0
    table["flags"][~mine] = Flag.STRONG
    result = refine(table, ExperimentList.of([first, lone]), params())
    alone = refine(select(table, mine), ExperimentList.of([first]), params())
    assert result.experiments[0] == alone.experiments[0]
    assert result.experiments[1] == lone
    np.testing.assert_array_equal(result.reflections["x_cal"][mine], alone.reflections["x_cal"])
    assert np.isnan(result.reflections["x_cal"][~mine]).all()
    assert [r["experiment"] for r in result.table("crystals").rows] == [0]


def test_noise_gives_errors_of_the_size_of_their_uncertainties():
    true = truth("P 43 21 2")
    errors = []
    for seed in range(4):
        table = centroids(true, sigma=0.3, seed=seed)
        result = refine(table, disturbed(true), RefinementParameters())
        crystal = result.experiments.crystals[0]
        assert crystal.cell_su is not None
        assert crystal.cell_su[3:] == (0.0, 0.0, 0.0)
        errors += [
            (v - w) / s
            for v, w, s in zip(crystal.unit_cell, CELLS["P 43 21 2"], crystal.cell_su, strict=True)
            if s > 0.0
        ]
        row = result.table("rmsds").rows[0]
        # A quantile of 0.975 in three dimensions cuts the spread by about 4 %.
        assert row["rmsd_x_px"] == pytest.approx(0.29, abs=0.015)
    assert np.sqrt(np.mean(np.square(errors))) < 2.5


def test_outliers_are_rejected_and_do_no_harm():
    true = truth("P 61 2 2")
    table = centroids(true, sigma=0.2)
    rng = np.random.default_rng(0)
    bad = rng.choice(len(table["hkl"]), len(table["hkl"]) // 5, replace=False)
    table["x_mm"][bad] += rng.uniform(0.6, 1.2, len(bad))
    result = refine(table, disturbed(true), RefinementParameters())
    flags = result.reflections["flags"]
    assert ((flags[bad] & Flag.USED_IN_REFINEMENT) == 0).mean() > 0.99
    assert ((flags & Flag.USED_IN_REFINEMENT) != 0).mean() > 0.7
    assert not ((flags & Flag.USED_IN_REFINEMENT) & (flags & Flag.CENTROID_OUTLIER)).any()
    np.testing.assert_allclose(result.experiments.crystals[0].unit_cell, CELLS["P 61 2 2"], 5e-4)


def test_every_indexed_reflection_is_predicted_and_the_table_keeps_its_rows():
    true = truth(n_runs=2)
    table = centroids(true, sigma=0.2)
    table["flags"][::7] = Flag.STRONG
    result = refine(table, true, RefinementParameters())
    out = check(result.reflections, ("x_cal", "z_cal", "s1", "entering"))
    indexed = (table["flags"] & Flag.INDEXED) != 0
    np.testing.assert_array_equal((out["flags"] & Flag.PREDICTED) != 0, indexed)
    np.testing.assert_array_equal(np.isfinite(out["x_cal"]), indexed)
    np.testing.assert_array_equal(out["hkl"], table["hkl"])
    lengths = np.linalg.norm(out["s1"][indexed], axis=1)
    np.testing.assert_allclose(lengths, 1.0 / 1.03, rtol=1e-9)
    assert set(table) <= set(out)


def test_what_is_no_longer_predicted_does_not_count_in_the_rmsd():
    true = truth()
    table = predict(centroids(true, sigma=0.1), true)
    table["flags"] = table["flags"] | np.uint32(Flag.USED_IN_REFINEMENT)
    rmsd, n = rmsd_in_plane(table)
    lost = {**table, "x_cal_mm": table["x_cal_mm"].copy()}
    lost["x_cal_mm"][::100] = np.nan
    assert rmsd_in_plane(lost) == (pytest.approx(rmsd, rel=0.05), n)
    lost["x_cal_mm"][:] = np.nan
    assert rmsd_in_plane(lost) == (np.inf, n)


def test_two_calls_agree_to_the_last_bit():
    true = truth(n_runs=2)
    table = centroids(true, sigma=0.2)
    a, b = (refine(table, disturbed(true), RefinementParameters()) for _ in range(2))
    assert a.experiments == b.experiments
    np.testing.assert_array_equal(a.reflections["x_cal"], b.reflections["x_cal"])


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ({"detector": {"fix": "all"}}, "detectors"),
        ({"beam": {"fix": ["all"]}}, "beams"),
    ],
)
def test_what_is_fixed_does_not_move(groups, kept):
    true = truth()
    start = disturbed(true, detector=False)
    result = refine(centroids(true, sigma=0.1), start, params(parameterisation=groups))
    assert getattr(result.experiments, kept) == getattr(start, kept)


def test_distance_and_tilts_stay_where_the_distance_is_fixed():
    true = truth()
    start = disturbed(true)
    fixed = params(parameterisation={"detector": {"fix": "distance"}})
    result = refine(centroids(true, sigma=0.1), start, fixed)
    old, new = start.detectors[0][0], result.experiments.detectors[0][0]
    np.testing.assert_allclose(new.normal, old.normal, atol=1e-12)
    assert new.distance == pytest.approx(old.distance, abs=1e-9)
    assert result.table("panels").rows[0]["shift_x_mm"] != 0.0


@pytest.mark.parametrize("fix", ["cell", "orientation"])
def test_half_of_the_crystal_can_be_kept(fix):
    true = truth()
    start = disturbed(true)
    result = refine(
        centroids(true, sigma=0.1), start, params(parameterisation={"crystal": {"fix": fix}})
    )
    old, new = start.crystals[0], result.experiments.crystals[0]
    if fix == "cell":
        np.testing.assert_allclose(new.unit_cell, old.unit_cell, rtol=1e-12)
        assert new.cell_su is None
    else:
        np.testing.assert_allclose(new.u, old.u, atol=1e-12)


def test_sampling_uses_as_many_as_asked_for():
    true = truth()
    table = centroids(true, sigma=0.1)
    wanted = {"reflections_per_degree": 10, "minimum_sample_size": 50}
    result = refine(table, disturbed(true), params(reflections=wanted))
    assert result.table("rmsds").rows[0]["n"] == 480
    np.testing.assert_allclose(result.experiments.crystals[0].unit_cell, CELLS["P 43 21 2"], 1e-3)


def test_tables_have_the_columns_others_rely_on():
    true = truth()
    result = refine(centroids(true, sigma=0.1), true, RefinementParameters())
    assert [t.name for t in result.tables] == ["steps", "rmsds", "crystals", "panels", "intervals"]
    keys = set(result.table("rmsds").rows[0])
    assert keys == {"experiment", "run", "n", "rmsd_x_px", "rmsd_y_px", "rmsd_z_images"}
    cell = ("a", "b", "c", "alpha", "beta", "gamma")
    wanted = {"experiment", "run", "space_group", *cell, *(f"{k}_su" for k in cell)}
    assert set(result.table("crystals").rows[0]) == wanted
    assert {"panel", "distance_mm"} <= set(result.table("panels").rows[0])
    assert all("RMSD" in str(t) or "|" in str(t) for t in result.tables)


def test_too_few_reflections_say_what_to_set():
    true = truth(n_runs=2)
    table = centroids(true)
    few = np.flatnonzero(table["experiment"] == 1)[:22]
    rows = np.concatenate([np.flatnonzero(table["experiment"] == 0), few])
    table = {k: v[rows] for k, v in table.items()}
    each = {"detector": "each"}
    with pytest.raises(InputError, match=r"detector 2.*action=fix"):
        refine(table, true, params(reflections=NO_REJECTION, sharing=each))
    for action, is_left in (("fix", True), ("remove", False)):
        auto = {"auto_reduction": {"action": action}}
        given = params(reflections=NO_REJECTION, parameterisation=auto, sharing=each)
        result = refine(table, true, given)
        assert result.experiments.detectors[1] == true.detectors[1]
        used = result.reflections["experiment"][
            (result.reflections["flags"] & Flag.USED_IN_REFINEMENT) != 0
        ]
        assert (used == 1).any() == is_left


def test_what_cannot_be_told_apart_is_named():
    true = truth()
    free = {"beam": {"fix": ["in_spindle_plane"]}}
    with pytest.raises(ConvergenceError, match=r"Beam1nu.*strain_0"):
        refine(centroids(true), true, params(parameterisation=free))


def test_bad_input_is_refused():
    true = truth()
    table = centroids(true)
    with pytest.raises(SchemaError, match="x_mm_variance"):
        refine({k: v for k, v in table.items() if k != "x_mm_variance"}, true, params())
    still = replace(true, scans=(replace(true.scans[0], oscillation=(0.0, 0.0)),))
    with pytest.raises(InputError, match="still"):
        refine(table, still, params())
    none = replace(true, members=(replace(true.members[0], crystal=None),))
    with pytest.raises(InputError, match="no crystal"):
        refine(table, none, params())
    with pytest.raises(InputError, match="no reflection is left"):
        refine({**table, "flags": np.zeros_like(table["flags"])}, true, params())
