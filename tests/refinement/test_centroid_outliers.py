"""Outlier rejection: what is normal stays, what is not goes, in groups of their like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from dxdask.refinement.mcd import _small_sample, robust_distances, subset_size
from dxdask.refinement.outliers import centroid_outliers, mcd_outliers, tukey_outliers
from dxdask.refinement.parameters import Mcd, Outlier, Tukey

pytestmark = pytest.mark.jit


def normal(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.array([[2.0, 0.0, 0.0], [0.7, 0.01, 0.0], [0.3, 0.0, 50.0]])
    return rng.normal(size=(n, 3)) @ mixing.T + np.array([1.0, -2.0, 30.0])


@pytest.mark.parametrize(("n", "share"), [(60, 0.08), (500, 0.03), (3000, 0.01), (20_000, 0.004)])
def test_of_normal_residuals_the_asked_for_share_is_rejected(n, share):
    assert abs(mcd_outliers(normal(n), Mcd()).mean() - 0.025) < share


def test_distances_of_normal_residuals_follow_chi_squared():
    d = robust_distances(normal(20_000))
    for p in (0.1, 0.5, 0.9, 0.99):
        assert (d < chi2.ppf(p, 3)).mean() == pytest.approx(p, abs=0.015)


@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_a_third_of_clustered_outliers_does_not_hide_itself(n):
    x = normal(n)
    bad = np.random.default_rng(1).choice(n, n // 3, replace=False)
    x[bad] = x[bad] * 0.2 + np.array([40.0, 15.0, -900.0])
    found = mcd_outliers(x, Mcd())
    assert found[bad].all()
    assert np.delete(found, bad).mean() < 0.1


@given(seed=st.integers(0, 1000))
def test_distances_do_not_depend_on_units_or_axes(seed):
    rng = np.random.default_rng(seed)
    x = normal(150, seed)
    scale, shift = rng.uniform(1e-4, 1e4, size=3), rng.normal(size=3)
    a, b = robust_distances(x), robust_distances(x * scale + shift * scale)
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_the_same_residuals_always_give_the_same_answer():
    x = normal(4000)
    np.testing.assert_array_equal(robust_distances(x), robust_distances(x.copy()))


def test_residuals_without_spread_or_value():
    assert not mcd_outliers(np.zeros((100, 3)), Mcd()).any()
    x = normal(100)
    x[3, 1] = np.nan
    assert np.isinf(robust_distances(x)[3])
    flat = normal(100)
    flat[:, 2] = flat[:, 0]
    assert not mcd_outliers(flat, Mcd()).any()


@pytest.mark.parametrize(
    ("n", "alpha", "factor"),
    [
        # mcd_finite_sample(3, n, alpha) of DIALS 3.12, which has the same source.
        (20, 0.5, 1.4874037413964258),
        (100, 0.75, 1.0473309216114512),
        (600, 0.95, 1.0014300671111003),
        (15000, 1.0, 1.0),
    ],
)
def test_correction_for_few_observations(n, alpha, factor):
    assert _small_sample(n, alpha) == pytest.approx(factor, rel=1e-9)


def test_subsets_hold_more_than_half():
    assert subset_size(100, 0.5) == 52
    assert subset_size(100, 1.0) == 100
    assert all(subset_size(n, 0.5) > n // 2 for n in range(5, 300))


def test_tukey_rejects_beyond_the_fences_of_any_column():
    x = np.tile(np.linspace(-1, 1, 101)[:, None], (1, 3))
    x[0, 0], x[100, 2] = -2.5, 2.5
    assert np.flatnonzero(tukey_outliers(x, Tukey())).tolist() == [0, 100]
    assert not tukey_outliers(x, Tukey(iqr_multiplier=2.0)).any()


def groups_of(**options):
    n = 4000
    rng = np.random.default_rng(4)
    experiment = rng.integers(0, 2, n)
    panel = rng.integers(0, 2, n)
    phi = np.deg2rad(rng.uniform(0, 90, n))
    residuals = rng.normal(size=(n, 3)) * 0.01
    return residuals, experiment, panel, phi, Outlier(**options)


def test_groups_are_judged_by_their_own():
    for name, which in (("experiments", 1), ("panels", 2)):
        case = groups_of(separate_panels=True)
        case[0][case[which] == 1] += 5.0
        assert centroid_outliers(*case).mean() < 0.06
        options = {f"separate_{name}": False, "separate_panels": name == "experiments"}
        case = groups_of(**options)
        case[0][case[which] == 1] *= 20.0
        assert centroid_outliers(*case)[case[which] == 1].mean() > 0.4


def test_blocks_of_phi_follow_a_drift():
    residuals, experiment, panel, phi, together = groups_of(separate_blocks=False)
    residuals[:, 0] += np.where(phi > np.deg2rad(72), 0.4, 0.0)
    assert centroid_outliers(residuals, experiment, panel, phi, together).mean() > 0.15
    assert centroid_outliers(residuals, experiment, panel, phi, Outlier()).mean() < 0.06


def test_groups_that_are_too_small_are_rejected_whole():
    residuals, experiment, panel, phi, _ = groups_of()
    experiment[:] = 0
    experiment[:12] = 1
    assert centroid_outliers(residuals, experiment, panel, phi, Outlier())[:12].all()
    assert not centroid_outliers(residuals, experiment, panel, phi, Outlier(algorithm=None)).any()


def test_no_reflections_are_no_outliers():
    none = np.empty(0)
    assert not len(
        centroid_outliers(np.empty((0, 3)), none.astype(int), none.astype(int), none, Outlier())
    )
