"""Summed and fitted intensities, and the best of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, check, has_flag
from dxdask.errors import InputError
from dxdask.merging import merge
from dxdask.scaling import ScalingParameters, scale
from dxdask.scaling.intensities import estimates, usable

N_PIXELS, N_BACKGROUND = 60, 200


def fractions() -> np.ndarray:
    """Return the fractions p of a reflection in the pixels of its foreground."""
    x = np.arange(-4, 5)
    p = np.exp(-0.5 * (x[:, None] ** 2 + x**2) / 1.2).ravel()
    p = np.sort(p)[::-1][:N_PIXELS]
    return p / p.sum()


def counted(true: np.ndarray, background: float, seed: int = 0):
    """Return a table of reflections counted pixel by pixel, summed and fitted."""
    rng = np.random.default_rng(seed)
    n, p = len(true), fractions()
    counts = rng.poisson(true[:, None] * p + background)
    b = rng.poisson(background * N_BACKGROUND, n) / N_BACKGROUND
    w = p / (p @ p)
    total, fit = (counts - b[:, None]).sum(axis=1), (counts - b[:, None]) @ w
    weights = np.array([w.sum(), w @ w, (w**2) @ p])
    variance = b * weights[1] + weights[0] ** 2 * b / N_BACKGROUND + weights[2] * np.abs(fit)
    both = Flag.INTEGRATED_SUM | Flag.INTEGRATED_PRF
    return check(
        {
            "flags": np.full(n, both, dtype=np.uint32),
            "intensity_sum": total,
            "intensity_sum_variance": np.abs(total) + b * N_PIXELS * (1 + N_PIXELS / N_BACKGROUND),
            "intensity_prf": fit,
            "intensity_prf_variance": variance,
            "profile_weights": np.tile(weights, (n, 1)),
            "profile_error": np.zeros(n),
            "background_mean": b,
            "n_background": np.full(n, N_BACKGROUND, dtype=np.int32),
            "n_foreground": np.full(n, N_PIXELS, dtype=np.int32),
        }
    )


def of(table, choice="combine", *, expected=True):
    return estimates(table, np.arange(len(table["flags"])), choice, expected=expected)


@pytest.mark.parametrize("strength", [0.0, 3.0, 30.0, 300.0, 3000.0])
@pytest.mark.parametrize("background", [0.2, 3.0])
def test_the_combination_is_unbiased_and_better_than_both(strength, background):
    true = np.full(20000, strength)
    table = counted(true, background)
    value, variance, slope = of(table).combined(true)
    error = value - true
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(true))
    np.testing.assert_allclose(np.mean(variance + slope * true), np.var(error), rtol=0.06)
    for kind in ("sum", "prf"):
        assert np.var(error) < 1.03 * np.var(table[f"intensity_{kind}"] - true)


def test_weak_ones_are_fitted_and_strong_ones_summed():
    table = counted(np.array([0.0, 1e6]), 1.0)
    share = of(table).share_of_sum(np.array([0.0, 1e6]))
    assert share[0] < 0.02
    assert share[1] > 0.99


@given(st.floats(0.01, 50), st.lists(st.floats(-10, 1e5), min_size=2, max_size=20))
def test_the_share_of_the_sum_grows_with_what_is_expected(background, strengths):
    strengths = np.sort(np.array(strengths))
    share = of(counted(np.zeros(len(strengths)), background)).share_of_sum(strengths)
    assert (share >= 0).all()
    assert (share <= 1).all()
    # what is expected below 0 is as 0; backgrounds differ a little
    one = counted(np.zeros(1), background)
    rows = np.zeros(len(strengths), dtype=np.int64)
    share = estimates(one, rows, "combine", expected=True).share_of_sum(strengths)
    assert (np.diff(share) >= -1e-12).all()


def test_where_there_is_one_only_it_is_taken():
    true = np.full(3, 50.0)
    table = counted(true, 1.0)
    table["flags"] = np.array(
        [Flag.INTEGRATED_SUM, Flag.INTEGRATED_PRF, Flag.INTEGRATED_PRF], dtype=np.uint32
    )
    value, _, _ = of(table).combined(true)
    expected = [table["intensity_sum"][0], *table["intensity_prf"][1:]]
    np.testing.assert_allclose(value, expected)
    np.testing.assert_allclose(of(table, "sum").combined(true)[0][0], table["intensity_sum"][0])


def test_bad_pixels_cost_the_sum_and_overloads_both():
    table = counted(np.full(4, 50.0), 1.0)
    more = [0, Flag.FOREGROUND_INCLUDES_BAD_PIXELS, Flag.OVERLAPPED_FG, Flag.OVERLOADED]
    table["flags"] |= np.array(more, dtype=np.uint32)
    summed, fitted = usable(table, "combine")
    assert summed.tolist() == [True, False, False, False]
    assert fitted.tolist() == [True, True, True, False]
    summed, fitted = usable(table, "profile")
    assert not summed.any()
    assert fitted.sum() == 3
    assert not usable(table, "sum")[1].any()


def test_variances_as_counted_hold_the_counts():
    true = np.full(5000, 100.0)
    table = counted(true, 1.0)
    for choice in ("sum", "profile"):
        value, variance, slope = of(table, choice, expected=False).combined(true)
        np.testing.assert_array_equal(slope, 0.0)
        np.testing.assert_allclose(variance.mean(), np.var(value), rtol=0.06)


def ensemble(seed: int = 3) -> MadeUp:
    """Return runs of made-up reflections with their counts replaced by those of `counted`."""
    data = made_up(transmissions=(0.3, 1.0), strength=40.0, d_min=3.5, seed=seed)
    table = dict(data.reflections)
    factor = table["lp"] / (table["qe"] * table["partiality"])
    counts = counted(data.true * data.scale / factor, 1.0, seed)
    counts["flags"] |= table["flags"]
    return replace(data, reflections=table | counts)


def chosen(choice: str) -> ScalingParameters:
    return ScalingParameters.model_validate({"reflection_selection": {"intensity_choice": choice}})


@pytest.mark.jit
def test_scaled_combinations_are_nearer_to_the_truth_than_sums_or_fits():
    data = ensemble()
    errors = {}
    for choice in ("combine", "sum", "profile"):
        result = scale(data.reflections, data.experiments, chosen(choice))
        r = result.reflections
        good = has_flag(r, Flag.SCALED)
        assert good.mean() > 0.99
        k = (r["intensity"][good] @ data.true[good]) / (data.true[good] @ data.true[good])
        off = r["intensity"][good] / k - data.true[good]
        errors[choice] = np.sqrt(np.mean(off**2))
        # weak reflections are not pulled to one side
        weak = data.true[good] < 20
        assert abs(off[weak].mean()) < 5 * off[weak].std() / np.sqrt(weak.sum())
        merged = merge(r, result.experiments)
        assert merged.table("overall").rows[0]["n_obs"] == good.sum()
    assert errors["combine"] < 1.005 * min(errors["sum"], errors["profile"])
    assert errors["combine"] < 0.93 * errors["sum"]


@pytest.mark.jit
def test_reflections_seen_once_are_combined_too():
    data = ensemble()
    table = data.reflections
    _, first = np.unique(table["hkl"], axis=0, return_index=True)
    once = {n: v[np.sort(first)] for n, v in table.items()}
    result = scale(once, data.experiments)
    assert any("combined" in m for m in result.messages)
    assert np.isfinite(result.reflections["intensity"]).all()


@pytest.mark.jit
def test_fits_that_are_not_there_are_asked_for_in_vain():
    data = made_up(transmissions=(1.0,), d_min=4.0)
    with pytest.raises(InputError, match="intensity_choice=profile"):
        scale(data.reflections, data.experiments, chosen("profile"))
    plain = scale(data.reflections, data.experiments, chosen("sum")).reflections
    both = scale(data.reflections, data.experiments, chosen("combine")).reflections
    np.testing.assert_array_equal(both["intensity"], plain["intensity"])
