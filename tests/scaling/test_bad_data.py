"""Data that cannot be scaled are refused, and what they do not determine is reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import InputError
from dxdask.models import Crystal, ExperimentList
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling import ScalingParameters, scale

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


def test_invalid_variances_are_counted_and_left_out(data: MadeUp) -> None:
    variance = data.reflections["intensity_sum_variance"].copy()
    variance[:50] = -1.0
    variance[50:60] = np.nan
    variance[60:70] = np.inf
    result = scale(changed(data, intensity_sum_variance=variance), data.experiments)
    reason = "variance negative or not finite"
    assert {"reason": reason, "n": 70} in result.table("exclusions").rows
    assert has_flag(result.reflections, Flag.EXCLUDED_FOR_SCALING)[:70].all()
    rest = scale(select(data.reflections, slice(70, None)), data.experiments)
    np.testing.assert_array_equal(
        result.reflections["intensity"][70:], rest.reflections["intensity"]
    )
    for bad in (-1.0, np.nan, np.inf):
        table = changed(data, intensity_sum_variance=np.full(len(variance), bad))
        with pytest.raises(InputError, match=f"{reason} {len(variance)}; check the summary of int"):
            scale(table, data.experiments)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("intensity_sum", "intensity not finite"),
        ("lp", "lp, qe, partiality or z_cal not known"),
        ("qe", "lp, qe, partiality or z_cal not known"),
        ("partiality", "lp, qe, partiality or z_cal not known"),
        ("z_cal", "lp, qe, partiality or z_cal not known"),
    ],
)
def test_what_is_no_number_is_counted_and_left_out(
    data: MadeUp, column: str, reason: str, value: float
) -> None:
    values = data.reflections[column].copy()
    values[:10] = value
    result = scale(changed(data, **{column: values}), data.experiments)
    assert {"reason": reason, "n": 10} in result.table("exclusions").rows
    for name in ("intensity", "intensity_variance"):
        assert np.isfinite(result.reflections[name]).all()
    assert not has_flag(result.reflections, Flag.SCALED)[:10].any()
    with pytest.raises(InputError, match=f"{reason} {len(values)}; check"):
        scale(changed(data, **{column: np.full(len(values), value)}), data.experiments)


def test_intensities_without_errors_are_refused(data: MadeUp) -> None:
    table = changed(data, intensity_sum_variance=np.zeros(len(data.true)))
    with pytest.raises(InputError, match="their errors are missing; integrate the frames again"):
        scale(table, data.experiments)


def test_limits_that_leave_nothing_are_named(data: MadeUp) -> None:
    parameters = ScalingParameters(cut_data={"d_max": 1.0})
    with pytest.raises(InputError, match=f"resolution {len(data.true)}; check .* cut_data"):
        scale(data.reflections, data.experiments, parameters)


def test_crystals_of_different_forms_are_refused(data: MadeUp) -> None:
    members = list(data.experiments)
    other = Crystal.from_cell((60.0, 50.0, 60.0, 90.0, 90.0, 90.0), space_group="P 21 21 21")
    members[1] = replace(members[1], crystal=other)
    with pytest.raises(InputError, match=r"cell of run2 .*different forms.*runs=NAME"):
        scale(data.reflections, ExperimentList.of(members))


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
