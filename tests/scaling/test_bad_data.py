"""Data that cannot be scaled are refused, and what they do not determine is reported."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import InputError
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling import scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def data() -> MadeUp:
    return made_up(d_min=4.0)


def changed(data: MadeUp, **columns: np.ndarray) -> Reflections:
    return dict(data.reflections) | columns


def test_noise_is_refused(data: MadeUp) -> None:
    n = len(data.true)
    noise = np.random.default_rng(0).normal(0.0, 5.0, n)
    table = changed(data, intensity_sum=noise, intensity_sum_variance=np.full(n, 25.0))
    with pytest.raises(InputError, match="not significant beside its error"):
        scale(table, data.experiments)


def test_negative_variances_are_counted_and_left_out(data: MadeUp) -> None:
    variance = data.reflections["intensity_sum_variance"].copy()
    variance[:50] = -1.0
    variance[50:60] = np.nan
    result = scale(changed(data, intensity_sum_variance=variance), data.experiments)
    assert {"reason": "negative variance", "n": 60} in result.table("exclusions").rows
    assert has_flag(result.reflections, Flag.EXCLUDED_FOR_SCALING)[:60].all()
    with pytest.raises(InputError, match="negative variance"):
        scale(changed(data, intensity_sum_variance=-np.ones(len(variance))), data.experiments)


def test_variances_of_zero_do_not_give_infinite_weights(data: MadeUp) -> None:
    variance = data.reflections["intensity_sum_variance"].copy()
    variance[::7] = 0.0
    table = scale(changed(data, intensity_sum_variance=variance), data.experiments).reflections
    good = has_flag(table, Flag.SCALED)
    assert good.mean() > 0.98
    assert (table["intensity_variance"][good] > 0).all()
    assert np.isfinite(table["intensity"]).all()


def test_one_observation_of_everything_is_reported(data: MadeUp) -> None:
    group = data.experiments.crystals[0].gemmi_space_group
    _, first = np.unique(pack(asu_indices(data.reflections["hkl"], group)[0]), return_index=True)
    result = scale(select(data.reflections, np.sort(first)), data.experiments)
    text = " ".join(result.messages)
    assert "every unique reflection was observed once" in text
    assert np.isfinite(result.reflections["intensity"]).all()


def test_a_run_without_reflections_is_reported(data: MadeUp) -> None:
    keep = data.reflections["experiment"] != 1
    result = scale(select(data.reflections, keep), data.experiments)
    assert "1 of 3 runs have no reflection that can be scaled" in " ".join(result.messages)
    rows = result.table("runs").rows
    assert [row["n"] > 0 for row in rows] == [True, False, True]
    assert rows[1]["scale"] is None
