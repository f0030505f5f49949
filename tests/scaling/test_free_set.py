"""The free set is left out of the fits, and judges them."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_up import made_up

from dxdask.columns import select
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit


def given(**changed: object) -> ScalingParameters:
    return ScalingParameters.model_validate(changed)


def test_the_free_set_is_a_tenth_and_agrees_as_the_work_set_does() -> None:
    data = made_up(d_min=3.0, b_error=0.03, strength=5000.0)
    parameters = given(scaling_options={"use_free_set": True})
    work, free = scale(data.reflections, data.experiments, parameters).table("free_set").rows
    assert (work["set"], free["set"]) == ("work", "free")
    assert free["n_unique"] / (work["n_unique"] + free["n_unique"]) == pytest.approx(0.1, abs=0.01)
    assert free["r_meas"] == pytest.approx(work["r_meas"], rel=0.15)
    assert free["cc_half"] > 0.98
    plain = scale(data.reflections, data.experiments)
    assert "free_set" not in [table.name for table in plain.tables]


def test_a_fit_of_noise_does_not_improve_the_free_set() -> None:
    # few data, and a point every degree: what it fits is noise
    data = made_up(d_min=6.0, b_error=0.2, wave=0.0, transmissions=(1.0,))
    r_meas = {}
    for interval in (1.0, 90.0):
        parameters = given(
            physical={"scale_interval": interval, "decay_correction": False},
            scaling_options={"use_free_set": True},
        )
        rows = scale(data.reflections, data.experiments, parameters).table("free_set").rows
        r_meas[interval] = [row["r_meas"] for row in rows]
    assert r_meas[1.0][0] < r_meas[90.0][0]
    assert r_meas[1.0][1] > r_meas[90.0][1]


def test_the_free_set_does_not_depend_on_the_order() -> None:
    data = made_up(d_min=4.0)
    parameters = given(scaling_options={"use_free_set": True, "free_set_offset": 3})
    order = np.random.default_rng(0).permutation(len(data.true))
    first = scale(data.reflections, data.experiments, parameters)
    mixed = scale(select(data.reflections, order), data.experiments, parameters)
    assert first.table("free_set").rows == mixed.table("free_set").rows


def test_which_of_the_disjoint_sets_is_free() -> None:
    data = made_up(d_min=4.0)
    found = {}
    for offset in (0, 3, 13):
        options = {"use_free_set": True, "free_set_offset": offset}
        result = scale(data.reflections, data.experiments, given(scaling_options=options))
        found[offset] = result.table("free_set").rows[1]
    assert found[3] != found[0]
    # ten sets of a tenth each
    assert found[13] == found[3]
