"""Half-sets, summary, limits and amplitudes of merging, against known truth and iotbx."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_up import MadeUp, made_up, unmerged_mtz

from dxdask.columns import check, select
from dxdask.merging import MergingParameters, merge
from dxdask.merging.equivalents import mergeable
from dxdask.merging.half_sets import critical_correlation
from dxdask.merging.limits import limit_by_ratio, limit_by_tanh, principal_axes
from dxdask.merging.observed import observed
from dxdask.models.symmetry import pack
from dxdask.scaling import scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.3, strength=300.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def test_halves_are_balanced_and_do_not_depend_on_the_order(scaled: MadeUp) -> None:
    crystal = scaled.experiments.crystals[0]
    symmetry = (crystal.gemmi_cell, crystal.gemmi_space_group)
    found = observed(scaled.reflections, *symmetry, MergingParameters())
    counts = found.sums()[..., 0]
    assert (np.abs(counts[..., 0] - counts[..., 1]) <= 1).all()
    together = counts.sum(axis=1)
    assert (np.abs(together[:, 0] - together[:, 1]) <= 1).all()
    assert abs(together.sum(axis=0)[0] / together.sum() - 0.5) < 0.01
    order = np.random.default_rng(0).permutation(len(scaled.true))
    other = observed(select(scaled.reflections, order), *symmetry, MergingParameters())
    np.testing.assert_array_equal(other.half, found.half)


def test_summary_has_the_lines_of_aimless(scaled: MadeUp) -> None:
    result = merge(scaled.reflections, scaled.experiments)
    overall = result.table("overall").rows[0]
    rows = {row["statistic"]: row for row in result.table("summary").rows}
    assert rows["Rmeas (all I+ & I-)"]["overall"] == f"{overall['r_meas']:.3f}"
    assert rows["Total number of observations"]["overall"] == str(overall["n_obs"])
    assert rows["Completeness"]["inner"] == "100.0"
    assert rows["Rmerge in top intensity bin"]["inner"] == "-"
    # no anomalous signal was simulated, and the errors are right
    halves = result.table("half_sets").rows[-1]
    assert abs(halves["cc_anom"]) < 4 * halves["cc_anom_critical"]
    assert halves["anomalous_slope"] == pytest.approx(1.0, abs=0.1)
    assert halves["cc_half"] == pytest.approx(overall["cc_half"], abs=0.01)
    inside = float(rows["Rmerge  (within I+/I-)"]["overall"])
    assert 0 < inside < overall["r_merge"]


def test_anomalous_signal_is_seen(scaled: MadeUp) -> None:
    table = {k: v.copy() for k, v in scaled.reflections.items()}
    crystal = scaled.experiments.crystals[0]
    symmetry = (crystal.gemmi_cell, crystal.gemmi_space_group)
    found = observed(table, *symmetry, MergingParameters())
    change = np.random.default_rng(1).normal(0, 0.1, len(found.keys))
    factor = 1 + np.where(found.minus, -1, 1) * change[found.place]

    rows = mergeable(table, *symmetry, MergingParameters())
    table["intensity"][rows] *= factor
    halves = merge(table, scaled.experiments).table("half_sets").rows[-1]
    assert halves["cc_anom"] > 0.3
    assert halves["anomalous_slope"] > 1.2


def test_amplitudes_are_those_of_the_true_intensities(scaled: MadeUp) -> None:
    result = merge(scaled.reflections, scaled.experiments)
    table = check(result.reflections)
    true = np.array([scaled.truth[k] for k in pack(table["hkl"]).tolist()])
    good = np.isfinite(table["amplitude"])
    assert good.mean() > 0.99
    ratio = np.median(table["intensity"]) / np.median(true)
    z = (table["amplitude"] - np.sqrt(true * ratio))[good] / table["amplitude_sigma"][good]
    assert abs(np.median(z)) < 0.3
    assert any("Wilson B" in line for line in result.messages)
    plain = merge(scaled.reflections, scaled.experiments, MergingParameters(truncate=False))
    assert "amplitude" not in plain.reflections


def test_half_datasets_average_to_the_whole(scaled: MadeUp) -> None:
    parameters = MergingParameters(half_datasets=True)
    table = check(merge(scaled.reflections, scaled.experiments, parameters).reflections)
    np.testing.assert_array_equal(table["n_half1"] + table["n_half2"], table["n_observations"])
    w = [np.nan_to_num(table[f"sigma_half{k}"] ** -2.0) for k in (1, 2)]
    i = [np.nan_to_num(table[f"intensity_half{k}"]) for k in (1, 2)]
    mean = (w[0] * i[0] + w[1] * i[1]) / (w[0] + w[1])
    np.testing.assert_allclose(mean, table["intensity"], rtol=1e-9, atol=1e-9)


def test_limits_are_where_curves_cross() -> None:
    s2 = np.linspace(0.01, 0.5, 15)
    cc = 0.5 * (1 - np.tanh((s2 - 0.3) / 0.1))
    expected = (0.3 + 0.1 * np.arctanh(0.4)) ** -0.5
    assert limit_by_tanh(s2, cc, 0.3) == pytest.approx(expected, rel=1e-4)
    assert limit_by_ratio(s2, np.exp(-10 * (s2 - 0.2)), 1.0) == pytest.approx(0.2**-0.5, rel=1e-6)
    assert limit_by_ratio(s2, np.full(15, 9.0), 1.0) == 0.0
    assert limit_by_tanh(s2[:2], cc[:2], 0.3) is None


def test_the_limit_is_applied_if_asked() -> None:
    data = made_up(share=0.3, strength=20.0, d_min=2.0, background=50.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    limit = merge(data.reflections, data.experiments).table("resolution_limits").rows[0]
    assert limit["d_cc_half"] > 2.05
    parameters = MergingParameters(resolution={"apply": True})
    cut = merge(data.reflections, data.experiments, parameters)
    assert cut.reflections["d"].min() >= limit["d_cc_half"]
    assert "limit by CC1/2" in cut.messages[0]


def test_one_observation_of_everything_and_negative_intensities(scaled: MadeUp) -> None:
    _, first = np.unique(pack(scaled.reflections["hkl"]), return_index=True)
    once = {k: v.copy() for k, v in select(scaled.reflections, first[::40]).items()}
    result = merge(once, scaled.experiments)
    assert np.isfinite(result.reflections["intensity"]).all()
    once["intensity"] = -np.abs(once["intensity"]) - 1
    negative = merge(once, scaled.experiments)
    assert np.isnan(negative.reflections["amplitude"]).all()
    assert any("No amplitudes" in line for line in negative.messages)
    str(negative.table("summary"))


def test_critical_correlation_is_that_of_students_t() -> None:
    # iotbx.merging_statistics of 9314 pairs at 0.01
    assert critical_correlation(9314) == pytest.approx(0.02410470, rel=1e-5)
    assert critical_correlation(2) is None


@pytest.mark.shared
def test_halves_are_those_of_iotbx(shared) -> None:
    path = shared / "data/real/unmerged/insulin_dials_scaled_unmerged.mtz"
    result = merge(*unmerged_mtz(path))
    halves = result.table("half_sets").rows
    # iotbx.merging_statistics of cctbx for DIALS 3.12; the random numbers of the halves are others
    assert halves[-1]["cc_half"] == pytest.approx(0.9991341964157227, abs=5e-4)
    assert halves[-1]["n_half"] == 9314
    assert halves[-2]["cc_half"] == pytest.approx(0.8335942626081781, abs=0.03)


def test_limits_along_the_principal_axes_of_a_monoclinic_crystal() -> None:
    data = made_up(
        symbol="P 1 21 1", cell=(40.0, 50.0, 60.0, 90.0, 115.0, 90.0), d_min=2.2,
        transmissions=(1.0, 1.0), strength=3000.0, wave=0.0, background=1.0,
    )  # fmt: skip
    cell = data.experiments.crystals[0].gemmi_cell
    s = data.reflections["hkl"] @ np.array(cell.frac.mat)
    weak = np.array([np.cos(0.6), 0.0, np.sin(0.6)])  # in the plane across the two-fold axis
    factor = np.exp(-60.0 * (s @ weak) ** 2)
    table = dict(data.reflections)
    noise = 12.0 * np.random.default_rng(1).standard_normal(len(factor))
    table["intensity_sum"] = table["intensity_sum"] * factor + noise
    table["intensity_sum_variance"] = table["intensity_sum_variance"] * factor**2 + 144.0
    table = {**table, **scale(table, data.experiments).reflections}
    result = merge(table, data.experiments)
    rows = result.table("resolution_limits").rows
    assert [r["direction"] for r in rows[:4]] == ["all", "a*", "b*", "c*"]
    principal = rows[4:]
    assert len(principal) == 3
    group = data.experiments.crystals[0].gemmi_space_group
    name = next(iter(principal_axes(-np.outer(weak, weak), cell, group)))
    # strongest diffraction first: the weak direction is the last one
    assert principal[-1]["direction"].partition(": ")[2][:6] == name.partition(": ")[2][:6]
    limits = [r["d_misigma"] for r in principal]
    assert limits[-1] == max(limits)
    assert limits[-1] > limits[0] + 0.1
    along = max(r["d_misigma"] for r in rows[1:4])
    assert limits[-1] >= along - 0.02


def test_principal_axes_that_symmetry_fixes_have_no_rows(scaled: MadeUp) -> None:
    rows = merge(scaled.reflections, scaled.experiments).table("resolution_limits").rows
    assert [r["direction"] for r in rows] == ["all", "a*", "b*", "c*"]
