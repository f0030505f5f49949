"""Assignment of Miller indices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.indexing_examples import experiments_of, spots_of

from dxdask.columns import Flag, concatenate, has_flag, n_rows, select
from dxdask.indexing.assign import assign, without_repeats
from dxdask.indexing.reciprocal import map_centroids


def mapped(lattice="tP", **options):
    experiments = experiments_of(lattice, n_runs=2)
    return map_centroids(spots_of(experiments, **options), experiments), experiments


def test_indices_are_the_true_ones():
    spots, experiments = mapped(sigma=0.02)
    table = assign(spots, experiments, tolerance=0.3)
    found = has_flag(table, Flag.INDEXED)
    assert found.mean() > 0.999
    np.testing.assert_array_equal(table["hkl"][found], spots["hkl"][found])
    assert not table["hkl"][~found].any()


def test_spots_off_the_lattice_are_not_indexed():
    spots, experiments = mapped(sigma=0.02)
    rng = np.random.default_rng(0)
    shift = rng.choice([-0.5, 0.5], 3) * 0.8
    spots["rlp"] = spots["rlp"] + experiments.crystals[0].a @ shift
    assert not has_flag(assign(spots, experiments, tolerance=0.3), Flag.INDEXED).any()
    assert has_flag(assign(spots, experiments, tolerance=0.45), Flag.INDEXED).any()


def test_resolution_limit():
    spots, experiments = mapped(sigma=0.02)
    table = assign(spots, experiments, tolerance=0.3, d_min=5.0)
    d = 1.0 / np.linalg.norm(spots["rlp"], axis=1)
    np.testing.assert_array_equal(has_flag(table, Flag.INDEXED), d >= 5.0)


def test_spots_of_a_run_without_a_crystal_are_not_indexed():
    spots, experiments = mapped(sigma=0.02)
    first, second = experiments.members
    lone = replace(experiments, members=(replace(first, crystal=None), second))
    table = assign(spots, lone, tolerance=0.3)
    both = assign(spots, experiments, tolerance=0.3)
    mine = spots["experiment"] == 1
    np.testing.assert_array_equal(table["hkl"][mine], both["hkl"][mine])
    assert not has_flag(table, Flag.INDEXED)[~mine].any()
    assert not table["hkl"][~mine].any()


def test_old_flags_are_cleared_and_others_kept():
    spots, experiments = mapped(sigma=0.02)
    every = Flag.INDEXED | Flag.CENTROID_OUTLIER | Flag.USED_IN_REFINEMENT | Flag.STRONG
    spots["flags"] = np.full(n_rows(spots), every, dtype=np.uint32)
    table = assign(spots, experiments, tolerance=0.3, d_min=5.0)
    assert has_flag(table, Flag.STRONG).all()
    assert not has_flag(table, Flag.CENTROID_OUTLIER | Flag.USED_IN_REFINEMENT).any()
    assert not has_flag(table, Flag.INDEXED).all()


def test_of_two_spots_of_one_reflection_the_nearer_stays():
    spots, experiments = mapped(sigma=0.0)
    one = select(spots, np.arange(50))
    far = {**one, "rlp": one["rlp"] + experiments.crystals[0].a @ np.array([0.2, 0, 0])}
    both = concatenate([far, one])
    found = has_flag(assign(both, experiments, tolerance=0.3), Flag.INDEXED)
    assert not found[:50].any()
    assert found[50:].all()
    # 360 degrees later it is another crossing.
    later = {**far, "phi_rad": far["phi_rad"] + 2 * np.pi}
    found = has_flag(assign(concatenate([later, one]), experiments, tolerance=0.3), Flag.INDEXED)
    assert found.all()


@given(seed=st.integers(0, 2**16), n=st.integers(0, 40))
def test_no_two_that_stay_are_one_event(seed, n):
    rng = np.random.default_rng(seed)
    experiment = rng.integers(0, 2, n).astype(np.int32)
    hkl = rng.integers(0, 2, (n, 3)).astype(np.int32)
    entering = rng.integers(0, 2, n).astype(bool)
    phi, misfit = rng.uniform(0, 3, n), rng.uniform(0, 1, n)
    keep = without_repeats(experiment, hkl, entering, phi, misfit)
    for i in range(n):
        same = [
            j for j in range(n)
            if experiment[i] == experiment[j] and (hkl[i] == hkl[j]).all()
            and entering[i] == entering[j] and abs(phi[i] - phi[j]) <= np.pi / 4 and i != j
        ]  # fmt: skip
        if keep[i]:
            assert not keep[same].any()
        else:
            assert any(misfit[j] <= misfit[i] for j in same)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_spots(n):
    spots, experiments = mapped()
    assert n_rows(assign(select(spots, np.arange(n)), experiments, tolerance=0.3)) == n
