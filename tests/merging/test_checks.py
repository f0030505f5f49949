"""Merging of observations that are bad, too few, without signal, or of crystals that differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_up import MadeUp, made_up

from dxdask.columns import select
from dxdask.errors import InputError, SchemaError
from dxdask.merging import MergingParameters, merge, merge_by_wavelength
from dxdask.models import Crystal, ExperimentList
from dxdask.models.symmetry import pack
from dxdask.pipeline.processing import isa_of
from dxdask.scaling import scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.3, transmissions=(1.0, 0.5), d_min=4.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def with_cell(experiments: ExperimentList, cell: tuple[float, ...]) -> ExperimentList:
    first, second = experiments
    other = Crystal.from_cell(cell, space_group="P 21 21 21")
    return ExperimentList.of([first, replace(second, crystal=other)])


def warnings(messages: tuple[str, ...]) -> list[str]:
    return [line for line in messages if line.startswith("Warning: ")]


def test_good_data_give_no_warning(scaled: MadeUp) -> None:
    assert warnings(merge(scaled.reflections, scaled.experiments).messages) == []


def test_crystals_that_differ_are_named(scaled: MadeUp) -> None:
    near = with_cell(scaled.experiments, (42.5, 50.0, 60.0, 90.0, 90.0, 90.0))
    [line] = warnings(merge(scaled.reflections, near).messages)
    assert "the cell of run1 (40.00" in line or "the cell of run2 (42.50" in line
    far = with_cell(scaled.experiments, (60.0, 50.0, 60.0, 90.0, 90.0, 90.0))
    with pytest.raises(InputError, match="different forms are not scaled or merged together"):
        merge(scaled.reflections, far)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("intensity", np.nan),
        ("intensity", np.inf),
        ("intensity_variance", np.nan),
        ("intensity_variance", np.inf),
        ("intensity_variance", 0.0),
        ("intensity_variance", -1.0),
    ],
)
def test_what_is_not_measured_is_left_out_and_counted(
    scaled: MadeUp, column: str, value: float
) -> None:
    good = np.flatnonzero(scaled.reflections["flags"] == scaled.reflections["flags"].max())[:7]
    table = {name: values.copy() for name, values in scaled.reflections.items()}
    table[column][good] = value
    found = merge(table, scaled.experiments)
    rest = merge(
        select(scaled.reflections, np.setdiff1d(np.arange(len(scaled.true)), good)),
        scaled.experiments,
    )
    assert [line.split()[1] for line in warnings(found.messages)] == ["7"]
    for name, values in rest.reflections.items():
        np.testing.assert_array_equal(found.reflections[name], values, err_msg=name)


def test_nothing_measured_is_an_error(scaled: MadeUp) -> None:
    for column, value in (("intensity", np.nan), ("intensity_variance", 0.0)):
        bad = np.full(len(scaled.true), value)
        with pytest.raises(InputError, match="no reflection to merge"):
            merge(scaled.reflections | {column: bad}, scaled.experiments)
    with pytest.raises(InputError, match="no reflection to merge"):
        merge(select(scaled.reflections, np.zeros(0, np.int64)), scaled.experiments)


@given(column=st.sampled_from(["hkl", "intensity", "intensity_variance", "flags", "z_cal"]))
def test_a_column_of_another_shape_is_named(scaled: MadeUp, column: str) -> None:
    short = scaled.reflections | {column: scaled.reflections[column][:-1]}
    with pytest.raises(SchemaError, match=column):
        merge(short, scaled.experiments)


def test_one_very_negative_intensity_spoils_nothing_else(scaled: MadeUp) -> None:
    table = {name: values.copy() for name, values in scaled.reflections.items()}
    row = int(np.flatnonzero(table["intensity_variance"] > 0)[0])
    before = merge(table, scaled.experiments).reflections
    table["intensity"][row] = -1e9
    result = merge(table, scaled.experiments)
    after = result.reflections
    bad = pack(after["hkl"]) == pack(before["hkl"])
    assert bad.all()
    changed = after["intensity"] != before["intensity"]
    assert changed.sum() == 1
    assert np.isnan(after["amplitude"][changed]).all()
    good = np.isfinite(before["amplitude"]) & ~changed
    np.testing.assert_allclose(after["amplitude"][good], before["amplitude"][good], rtol=0.01)
    assert warnings(result.messages) == []


def test_one_observation_of_everything_is_said(scaled: MadeUp) -> None:
    _, first = np.unique(np.abs(scaled.reflections["hkl"]), axis=0, return_index=True)
    result = merge(select(scaled.reflections, first), scaled.experiments)
    [line] = warnings(result.messages)
    assert "observed more than once" in line
    assert result.table("overall").rows[0]["r_merge"] is None


def test_noise_alone_is_no_significant_intensity(scaled: MadeUp) -> None:
    table = dict(scaled.reflections)
    noise = np.random.default_rng(5).normal(size=len(scaled.true))
    table["intensity"] = noise * np.sqrt(np.abs(table["intensity_variance"]))
    [line] = warnings(merge(table, scaled.experiments).messages)
    assert "no significant intensity" in line


def test_few_reflections_have_amplitudes_by_a_flat_prior(scaled: MadeUp) -> None:
    few = select(scaled.reflections, np.arange(60))
    result = merge(few, scaled.experiments)
    assert any("flat prior" in line for line in result.messages)
    assert not result.table("wilson").rows
    table = result.reflections
    strong = table["intensity"] > 20 * table["sigma"]
    assert strong.sum() > 10
    np.testing.assert_allclose(
        table["amplitude"][strong], np.sqrt(table["intensity"][strong]), rtol=1e-3
    )
    parameters = MergingParameters(french_wilson={"min_reflections": 10})
    wilson = merge(few, scaled.experiments, parameters)
    assert len(wilson.table("wilson").rows) == 1


def test_isa_is_that_of_the_error_model() -> None:
    data = made_up(share=0.3, transmissions=(1.0, 0.5), d_min=3.5, strength=3e5, b_error=0.04)
    found = scale(data.reflections, data.experiments)
    isa = isa_of(found.tables)
    # strong intensities scatter by 4 %
    assert isa == pytest.approx(25.0, rel=0.1)
    result = merge_by_wavelength(found.reflections, data.experiments, MergingParameters(), isa)
    last = result.table("summary").rows[-1]
    assert last["statistic"] == "Asymptotic I/sigma (ISa)"
    assert last["overall"] == f"{isa:.1f}"
    assert isa_of(()) is None


def test_limits_of_runs_follow_their_noise() -> None:
    """Of two runs of one crystal the weaker one reaches less far, and the limit is the true one."""
    data = made_up(share=0.6, transmissions=(1.0, 0.02), d_min=2.0, strength=60.0, background=40.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    strong, weak = merge(data.reflections, data.experiments).table("runs").rows
    assert strong["d_misigma"] < weak["d_misigma"]
    assert strong["d_cc_others"] <= weak["d_cc_others"]
    table = data.reflections
    own = (table["experiment"] == 0) & (table["intensity_variance"] > 0)
    d = table["d"][own]
    ratio = (data.true[own] * data.scale[own] / table["scale"][own]) / np.sqrt(
        table["intensity_variance"][own]
    )
    near = np.abs(d**-2.0 - strong["d_misigma"] ** -2.0) < 0.01
    assert near.sum() > 100
    assert ratio[near].mean() == pytest.approx(1.0, abs=0.25)
