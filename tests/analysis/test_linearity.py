"""Linearity: ratios of matched reflections are the transmissions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dxdask.analysis import LinearityParameters, linearity
from dxdask.columns import Flag, Reflections, concatenate, select
from dxdask.errors import InputError, ParameterError, SchemaError
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList, Goniometer, Scan
from dxdask.models.symmetry import possible_reflections

TRANSMISSIONS = (0.1, 0.5, 1.0)


def ensemble(n_background: float = 10.0, seed: int = 0) -> tuple[Reflections, ExperimentList]:
    """Return the same reflections at three transmissions, predicted a little apart."""
    rng = np.random.default_rng(seed)
    crystal = Crystal.from_cell((40.0, 50.0, 60.0, 90.0, 90.0, 90.0), space_group="P 21 21 21")
    group, cell = crystal.gemmi_space_group, crystal.gemmi_cell
    hkl = np.repeat(possible_reflections(cell, group, d_min=3.0), 2, axis=0)
    n = len(hkl)
    place = rng.uniform([0, 0, 0], [1000, 1000, 100], (n, 3))
    true = rng.exponential(2000.0, n)
    tables, experiments = [], []
    for i, t in enumerate(TRANSMISSIONS):
        at = place + rng.normal(0, 0.3, (n, 3))
        counts = rng.poisson(true * t) + rng.poisson(n_background * t, n) - n_background * t
        order = rng.permutation(n)
        table: Reflections = {
            "experiment": np.full(n, i, np.int32),
            "hkl": hkl,
            "flags": np.full(n, Flag.INTEGRATED_SUM, np.uint32),
            "x_cal": at[:, 0],
            "y_cal": at[:, 1],
            "z_cal": at[:, 2],
            "partiality": np.ones(n),
            "intensity_sum": counts,
            "intensity_sum_variance": np.abs(counts) + n_background * t,
        }
        tables.append(select(table, order))
        experiments.append(
            Experiment(
                identifier=str(i),
                run=f"run{i + 1}",
                beam=Beam(transmission=t),
                detector=Detector(panels=()),
                goniometer=Goniometer(),
                scan=Scan(image_range=(1, 100), oscillation=(0.0, 0.5)),
                crystal=crystal,
            )
        )
    return concatenate(tables), ExperimentList.of(experiments)


def test_ratios_are_the_transmissions() -> None:
    reflections, experiments = ensemble()
    result = linearity(reflections, experiments)
    rows = result.table("ratios").rows
    assert [list(r) for r in rows] == [
        ["run", "transmission", "n", "mean", "median", "sum_ratio", "sum_ratio_su"]
    ] * 3
    for row, t in zip(rows, TRANSMISSIONS, strict=True):
        assert row["transmission"] == t
        assert row["sum_ratio"] == pytest.approx(t, rel=0.005)
        assert row["median"] == pytest.approx(t, rel=0.01)
        assert row["n"] > 1000
    assert rows[2]["mean"] == 1.0
    offsets = result.arrays["pair_offsets"]
    np.testing.assert_array_equal(np.diff(offsets), [r["n"] for r in rows])
    pairs = slice(offsets[0], offsets[1])
    own, full = result.arrays["pair_intensity"][pairs], result.arrays["pair_reference"][pairs]
    assert own.sum() / full.sum() == pytest.approx(rows[0]["sum_ratio"])


def test_uncertainties_of_sums_are_those_of_repeated_experiments() -> None:
    z = []
    for seed in range(25):
        rows = linearity(*ensemble(n_background=100.0, seed=seed)).table("ratios").rows
        z += [[(r["sum_ratio"] - r["transmission"]) / r["sum_ratio_su"] for r in rows[:2]]]
        assert rows[2]["sum_ratio_su"] == 0.0
    assert 0.75 < np.std(z) < 1.3, "25 experiments of two runs: within 10 % where they are right"
    assert (np.abs(np.mean(z, axis=0)) < 0.6).all()


def test_choosing_by_both_runs_favours_a_weak_one() -> None:
    reflections, experiments = ensemble(n_background=4000.0)
    every = LinearityParameters(selection="both")
    both = linearity(reflections, experiments, every).table("ratios").rows[0]
    reference = LinearityParameters(selection="reference", i_over_sigma=20.0)
    fair = linearity(reflections, experiments, reference).table("ratios").rows[0]
    assert both["mean"] > 0.104
    assert fair["mean"] == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("n_background", [10.0, 300.0, 4000.0])
def test_choosing_by_expected_intensities_has_no_bias(n_background: float) -> None:
    rows = []
    for seed in range(4):
        reflections, experiments = ensemble(n_background=n_background, seed=seed)
        rows.append(linearity(reflections, experiments).table("ratios").rows[0])
    for name, limit in (("sum_ratio", 0.003), ("median", 0.005)):
        values = np.array([row[name] for row in rows])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() / 0.1 - 1.0) < max(limit, 3 * error / 0.1), name
    assert min(row["n"] for row in rows) > 300


def test_bad_and_distant_reflections_do_not_count() -> None:
    reflections, experiments = ensemble()
    before = linearity(reflections, experiments).table("ratios").rows
    table = {k: v.copy() for k, v in reflections.items()}
    first = np.flatnonzero(table["experiment"] == 0)
    table["flags"][first[:100]] |= np.uint32(Flag.OVERLOADED)
    table["z_cal"][first[100:200]] += 10.0
    table["partiality"][first[200:300]] = 0.5
    after = linearity(table, experiments).table("ratios").rows
    assert before[0]["n"] - 300 <= after[0]["n"] < before[0]["n"] - 200
    assert after[1]["n"] == before[1]["n"]


def test_a_run_indexed_by_another_equivalent_matches() -> None:
    reflections, experiments = ensemble()
    table = {k: v.copy() for k, v in reflections.items()}
    other = table["experiment"] == 0
    table["hkl"][other] *= np.array([-1, -1, 1], dtype=np.int32)
    assert linearity(table, experiments).table("ratios").rows == (
        linearity(reflections, experiments).table("ratios").rows
    )


def test_reference_may_be_named() -> None:
    reflections, experiments = ensemble()
    rows = linearity(reflections, experiments, LinearityParameters(reference="run2"))
    assert rows.table("ratios").rows[2]["sum_ratio"] == pytest.approx(2.0, rel=0.01)
    with pytest.raises(ParameterError, match="run1, run2, run3"):
        linearity(reflections, experiments, LinearityParameters(reference="run9"))
    with pytest.raises(InputError, match="integrate it first"):
        linearity(reflections, experiments, LinearityParameters(i_over_sigma=1e9))


def test_a_run_without_reflections_has_an_empty_row() -> None:
    reflections, experiments = ensemble()
    members = tuple(replace(m) for m in experiments.members)
    table = select(reflections, reflections["experiment"] != 0)
    row = linearity(table, replace(experiments, members=members)).table("ratios").rows[0]
    assert (row["n"], row["mean"], row["sum_ratio"]) == (0, None, None)


def test_fitted_intensities_are_compared_with_intensity_prf() -> None:
    reflections, experiments = ensemble()
    parameters = LinearityParameters(intensity="prf")
    with pytest.raises(SchemaError, match="intensity_prf"):
        linearity(reflections, experiments, parameters)
    fitted = reflections | {
        "flags": np.full(len(reflections["flags"]), Flag.INTEGRATED_PRF, np.uint32),
        "intensity_prf": reflections["intensity_sum"],
        "intensity_prf_variance": reflections["intensity_sum_variance"],
    }
    rows = linearity(fitted, experiments, parameters).table("ratios").rows
    assert rows == linearity(reflections, experiments).table("ratios").rows
