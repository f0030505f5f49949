"""Merging: intensities, errors and statistics, against a plain reference and other programs."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up, unmerged_mtz

from dxdask.columns import Flag, check, select
from dxdask.errors import InputError, SchemaError
from dxdask.merging import MergingParameters, merge
from dxdask.merging.equivalents import combine_equivalents
from dxdask.merging.merge import first_sums, second_sums
from dxdask.models.symmetry import asu_indices, pack, possible_reflections
from dxdask.scaling import scale

pytestmark = pytest.mark.jit

COLUMNS = [
    "d_max",
    "d_min",
    "n_obs",
    "n_unique",
    "multiplicity",
    "completeness",
    "i_over_sigma",
    "r_merge",
    "r_meas",
    "r_pim",
    "cc_half",
]


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(decay=1.0, b_error=0.02, share=0.3)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def plain_statistics(data: MadeUp) -> dict[str, float]:
    """Merge reflection by reflection, as the formulas read."""
    table = data.reflections
    group = data.experiments.crystals[0].gemmi_space_group
    asu = gemmi.ReciprocalAsu(group)
    ops = group.operations()
    groups: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for hkl, flags, i, v in zip(
        table["hkl"].tolist(),
        table["flags"],
        table["intensity"],
        table["intensity_variance"],
        strict=True,
    ):
        if flags & Flag.SCALED and not ops.is_systematically_absent(hkl):
            groups.setdefault(tuple(asu.to_asu(hkl, ops)[0]), []).append((i, v))
    top, meas, pim, bottom, means, variances, ratios = 0.0, 0.0, 0.0, 0.0, [], [], []
    for seen in groups.values():
        total = math.fsum(1 / v for _, v in seen)
        mean = math.fsum(i / v for i, v in seen) / total
        n = len(seen)
        ratios.append(mean * math.sqrt(total))
        if n > 1:
            deviation = math.fsum(abs(i - mean) for i, _ in seen)
            top += deviation
            meas += deviation * math.sqrt(n / (n - 1))
            pim += deviation / math.sqrt(n - 1)
            bottom += math.fsum(i for i, _ in seen)
            means.append(mean)
            variances.append(math.fsum((i - mean) ** 2 / v for i, v in seen) / (n - 1) / total)
    s_y, s_e = np.var(means, ddof=1), np.mean(variances)
    return {
        "n_obs": sum(map(len, groups.values())),
        "n_unique": len(groups),
        "r_merge": top / bottom,
        "r_meas": meas / bottom,
        "r_pim": pim / bottom,
        "cc_half": (s_y - s_e) / (s_y + s_e),
        "i_over_sigma": float(np.mean(ratios)),
    }


def test_statistics_equal_the_plain_ones(scaled: MadeUp) -> None:
    found = merge(scaled.reflections, scaled.experiments).table("overall").rows[0]
    for name, value in plain_statistics(scaled).items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_tables_have_the_columns_others_rely_on(scaled: MadeUp) -> None:
    result = merge(scaled.reflections, scaled.experiments)
    assert [list(r) for r in result.table("overall").rows] == [COLUMNS]
    shells = result.table("shells").rows
    assert len(shells) == 10
    assert all(list(r) == COLUMNS for r in shells)
    overall = result.table("overall").rows[0]
    assert sum(r["n_obs"] for r in shells) == overall["n_obs"]
    assert sum(r["n_unique"] for r in shells) == overall["n_unique"]
    for above, below in pairwise(shells):
        assert above["d_min"] == below["d_max"]
    assert "cc1/2" in str(result.table("shells"))


def test_merged_intensities_are_the_true_ones_within_their_errors(scaled: MadeUp) -> None:
    table = check(merge(scaled.reflections, scaled.experiments).reflections)
    true = np.array([scaled.truth[k] for k in pack(table["hkl"]).tolist()])
    strong = table["intensity"] > 20 * table["sigma"]
    design = np.column_stack([np.ones(strong.sum()), 0.5 / table["d"][strong] ** 2])
    log = np.log(table["intensity"][strong] / true[strong])
    k, b = np.linalg.lstsq(design, log, rcond=None)[0]
    model = true * np.exp(k + b * 0.5 / table["d"] ** 2)
    z = (table["intensity"] - model) / table["sigma"]
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(table["intensity"], model)[0, 1] > 0.9995


def test_friedel_mates_merge_apart_and_together(scaled: MadeUp) -> None:
    table = merge(scaled.reflections, scaled.experiments).reflections
    weights = [np.nan_to_num(table[f"sigma_{s}"] ** -2.0) for s in ("plus", "minus")]
    values = [np.nan_to_num(table[f"intensity_{s}"]) for s in ("plus", "minus")]
    mean = (weights[0] * values[0] + weights[1] * values[1]) / (weights[0] + weights[1])
    np.testing.assert_allclose(table["intensity"], mean, rtol=1e-12)
    np.testing.assert_allclose(table["sigma"], (weights[0] + weights[1]) ** -0.5, rtol=1e-12)
    group = scaled.experiments.crystals[0].gemmi_space_group
    centric = np.array([group.operations().is_reflection_centric(h) for h in table["hkl"].tolist()])
    assert centric.any()
    assert np.isnan(table["intensity_minus"][centric]).all()
    together = merge(scaled.reflections, scaled.experiments, MergingParameters(anomalous=False))
    assert "intensity_plus" not in together.reflections
    np.testing.assert_array_equal(together.reflections["intensity"], table["intensity"])


def test_indices_are_gemmis_and_each_once(scaled: MadeUp) -> None:
    table = merge(scaled.reflections, scaled.experiments).reflections
    group = scaled.experiments.crystals[0].gemmi_space_group
    asu = gemmi.ReciprocalAsu(group)
    assert all(asu.is_in(h) for h in table["hkl"].tolist())
    key = pack(table["hkl"])
    assert (np.diff(key) > 0).all()


def test_absent_reflections_and_limits_are_left_out(scaled: MadeUp) -> None:
    table = {k: v.copy() for k, v in scaled.reflections.items()}
    table["hkl"][:5] = [1, 0, 0]
    result = merge(table, scaled.experiments, MergingParameters(d_min=4.0, d_max=20.0))
    hkl, d = result.reflections["hkl"], result.reflections["d"]
    assert not (hkl == [1, 0, 0]).all(axis=1).any()
    assert d.min() >= 4.0
    assert d.max() <= 20.0
    assert result.table("overall").rows[0]["completeness"] <= 1.0


def test_completeness_counts_what_can_be_seen(scaled: MadeUp) -> None:
    group = scaled.experiments.crystals[0].gemmi_space_group
    cell = scaled.experiments.crystals[0].gemmi_cell
    unique = possible_reflections(cell, group, d_min=3.0)
    key = pack(asu_indices(scaled.reflections["hkl"], group)[0])
    missing = np.isin(key, pack(asu_indices(unique[::10], group)[0]))
    result = merge(select(scaled.reflections, ~missing), scaled.experiments)
    assert result.table("overall").rows[0]["completeness"] == pytest.approx(0.9, abs=0.01)


def test_sums_of_parts_are_sums_of_all(scaled: MadeUp) -> None:
    parameters = MergingParameters()
    table, experiments = scaled.reflections, scaled.experiments
    parts = [select(table, table["experiment"] == i) for i in range(3)]
    whole = first_sums(table, experiments, parameters)
    first = [first_sums(p, experiments, parameters) for p in parts]
    joined = combine_equivalents(first)
    np.testing.assert_array_equal(joined.keys, whole.keys)
    np.testing.assert_array_equal(joined.values, whole.values)
    other = combine_equivalents([first[0], combine_equivalents(first[1:])])
    np.testing.assert_allclose(other.values, whole.values, rtol=1e-13, atol=1e-13)
    second = combine_equivalents([second_sums(p, experiments, parameters, whole) for p in parts])
    expected = second_sums(table, experiments, parameters, whole)
    np.testing.assert_array_equal(second.values, expected.values)


def test_order_of_rows_does_not_matter(scaled: MadeUp) -> None:
    order = np.random.default_rng(0).permutation(len(scaled.true))
    one = merge(scaled.reflections, scaled.experiments)
    two = merge(select(scaled.reflections, order), scaled.experiments)
    for name, values in one.reflections.items():
        np.testing.assert_array_equal(two.reflections[name], values)
    assert one.table("shells").rows == two.table("shells").rows


def test_internal_variance_only_raises_sigma(scaled: MadeUp) -> None:
    plain = merge(scaled.reflections, scaled.experiments).reflections["sigma"]
    parameters = MergingParameters(use_internal_variance=True)
    raised = merge(scaled.reflections, scaled.experiments, parameters).reflections["sigma"]
    assert (raised >= plain).all()
    assert (raised > plain).any()


def test_internal_variance_is_that_of_the_weighted_sample(scaled: MadeUp) -> None:
    parameters = MergingParameters(use_internal_variance=True)
    result = merge(scaled.reflections, scaled.experiments, parameters).reflections
    table = scaled.reflections
    good = (table["flags"] & Flag.SCALED) > 0
    group = scaled.experiments.crystals[0].gemmi_space_group
    keys = pack(asu_indices(table["hkl"], group)[0])
    wanted = result["n_observations"] > 2
    assert wanted.sum() > 100
    for key, sigma in list(zip(pack(result["hkl"])[wanted], result["sigma"][wanted], strict=True)):
        rows = good & (keys == key)
        i, w = table["intensity"][rows], 1 / table["intensity_variance"][rows]
        mean, total = np.sum(w * i) / w.sum(), w.sum()
        sample = total / (total**2 - np.sum(w**2)) * np.sum(w * (i - mean) ** 2)
        assert sigma == pytest.approx(math.sqrt(max(sample / len(i), 1 / total)), rel=1e-9)


def test_cc_half_of_the_tables_is_that_of_the_half_sets_where_asked_for(scaled: MadeUp) -> None:
    parameters = MergingParameters(cc_one_half_method="half_dataset")
    result = merge(scaled.reflections, scaled.experiments, parameters)
    rows = [*result.table("shells").rows, *result.table("overall").rows]
    halves = [row["cc_half"] for row in result.table("half_sets").rows]
    assert [row["cc_half"] for row in rows] == halves
    usual = merge(scaled.reflections, scaled.experiments).table("overall").rows[0]["cc_half"]
    assert usual != halves[-1]
    assert usual == pytest.approx(halves[-1], abs=0.01)


def test_nothing_to_merge_says_so(scaled: MadeUp) -> None:
    with pytest.raises(InputError, match="run scale"):
        merge(scaled.reflections, scaled.experiments, MergingParameters(d_min=100.0))
    table = {k: v for k, v in scaled.reflections.items() if k != "intensity"}
    with pytest.raises(SchemaError, match="intensity"):
        merge(table, scaled.experiments)


@pytest.mark.shared
def test_real_scaled_data_give_the_statistics_of_iotbx(shared) -> None:
    path = shared / "data/real/unmerged/insulin_dials_scaled_unmerged.mtz"
    reflections, experiments = unmerged_mtz(path)
    merge(reflections, experiments)  # compiles
    start = time.process_time()
    result = merge(reflections, experiments)
    assert time.process_time() - start < 1.0
    found = result.table("overall").rows[0]
    # iotbx.merging_statistics of cctbx for DIALS 3.12, binning by volume; its CC1/2 is unweighted
    assert (found["n_obs"], found["n_unique"]) == (45595, 9831)
    for name, value in {
        "completeness": 0.9427502876869965,
        "i_over_sigma": 27.136306220736234,
        "r_merge": 0.03287969627576414,
        "r_meas": 0.036695816641053036,
        "r_pim": 0.015847654582948952,
    }.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    assert found["cc_half"] == pytest.approx(0.99916, abs=1e-4)
    shell = result.table("shells").rows[-1]
    assert (shell["n_obs"], shell["n_unique"]) == (1675, 731)
    assert shell["r_meas"] == pytest.approx(0.42011090451941374, rel=1e-5)
