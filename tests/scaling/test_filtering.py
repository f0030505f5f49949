"""Exclusion of runs and images: by delta CC1/2, and by parameter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag
from dxdask.errors import ParameterError
from dxdask.models import ExperimentList
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit


def spoiled(data: MadeUp, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the reflections with the intensities of some rows in another order."""
    table = {k: v.copy() for k, v in data.reflections.items()}
    mixed = np.random.default_rng(1).permutation(np.flatnonzero(rows))
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name][rows] = table[name][mixed]
    return table


def given(**deltacchalf: object) -> ScalingParameters:
    filtering = {"method": "deltacchalf", "deltacchalf": {"max_percent_removed": 20} | deltacchalf}
    return ScalingParameters.model_validate({"filtering": filtering})


def test_a_run_of_another_crystal_is_found_and_excluded() -> None:
    data = made_up(transmissions=(1.0,) * 8, d_min=4.0)
    wrong = data.reflections["experiment"] == 3
    table = spoiled(data, wrong)
    rows = scale(table, data.experiments).table("delta_cc_half").rows
    worst = min(rows, key=lambda row: row["delta_cc_half"])
    assert worst["run"] == "run4"
    assert all(row["delta_cc_half"] > worst["delta_cc_half"] / 3 for row in rows if row != worst)
    result = scale(table, data.experiments, given(stdcutoff=2.0))
    excluded = [r["run"] for r in result.table("delta_cc_half").rows if r["excluded_in_cycle"]]
    assert excluded == ["run4"]
    assert not has_flag(result.reflections, Flag.SCALED)[wrong].any()
    assert has_flag(result.reflections, Flag.USER_EXCLUDED_IN_SCALING)[wrong].all()
    assert has_flag(result.reflections, Flag.SCALED)[~wrong].mean() > 0.99
    assert {"reason": "delta CC1/2", "n": int(wrong.sum())} in result.table("exclusions").rows
    # without it, as if it had never been there
    kept = {k: v[~wrong] for k, v in table.items()}
    alone = scale(kept, data.experiments)
    np.testing.assert_allclose(
        result.table("error_model").rows[0]["b"], alone.table("error_model").rows[0]["b"], rtol=1e-6
    )


def test_bad_images_are_excluded_by_groups() -> None:
    data = made_up(transmissions=(1.0, 1.0), d_min=3.5)
    z = data.reflections["z_cal"]
    wrong = (data.reflections["experiment"] == 1) & (z >= 60) & (z < 80)
    parameters = given(mode="image_group", group_size=20, stdcutoff=2.5)
    result = scale(spoiled(data, wrong), data.experiments, parameters)
    rows = [r for r in result.table("delta_cc_half").rows if r["excluded_in_cycle"]]
    assert ("run2", 61, 80) in [(r["run"], r["first_image"], r["last_image"]) for r in rows]
    # the scales of the groups beside it are drawn by it
    assert {(r["run"], abs(r["first_image"] - 61) <= 20) for r in rows} == {("run2", True)}
    assert not has_flag(result.reflections, Flag.SCALED)[wrong].any()


def lattices(of_run: tuple[str, ...], crystal: tuple[int, ...]) -> MadeUp:
    """Return experiments of these runs and crystals."""
    data = made_up(transmissions=(1.0,) * len(of_run), d_min=4.0)
    models = [replace(data.experiments[0].crystal) for _ in range(max(crystal) + 1)]
    data.experiments = ExperimentList.of(
        [
            replace(e, run=run, crystal=models[k])
            for e, run, k in zip(data.experiments, of_run, crystal, strict=True)
        ]
    )
    return data


def test_one_of_the_crystals_of_a_run_is_excluded() -> None:
    data = lattices(("a", "a", "b", "b", "c", "c", "d", "d"), tuple(range(8)))
    wrong = data.reflections["experiment"] == 3
    parameters = given(mode="crystal", stdcutoff=2.0)
    result = scale(spoiled(data, wrong), data.experiments, parameters)
    rows = result.table("delta_cc_half").rows
    assert [(r["crystal"], r["runs"]) for r in rows][2:5] == [(2, "b"), (3, "b"), (4, "c")]
    assert [r["crystal"] for r in rows if r["excluded_in_cycle"]] == [3]
    excluded = has_flag(result.reflections, Flag.USER_EXCLUDED_IN_SCALING)
    np.testing.assert_array_equal(excluded, wrong)


def test_all_runs_of_a_crystal_are_excluded() -> None:
    data = lattices(tuple("abcdefgh"), (0, 0, 1, 1, 2, 2, 3, 3))
    wrong = np.isin(data.reflections["experiment"], (2, 3))
    parameters = given(mode="crystal", stdcutoff=1.5, max_percent_removed=30)
    result = scale(spoiled(data, wrong), data.experiments, parameters)
    rows = result.table("delta_cc_half").rows
    assert [r["runs"] for r in rows] == ["a, b", "c, d", "e, f", "g, h"]
    assert [r["runs"] for r in rows if r["excluded_in_cycle"]] == ["c, d"]
    assert not has_flag(result.reflections, Flag.SCALED)[wrong].any()


def test_good_data_are_kept() -> None:
    data = made_up(transmissions=(1.0,) * 6, d_min=4.0)
    result = scale(data.reflections, data.experiments, given())
    assert not any(r["excluded_in_cycle"] for r in result.table("delta_cc_half").rows)


def test_images_are_excluded_by_parameter() -> None:
    data = made_up(d_min=4.0)
    parameters = ScalingParameters(exclude_images=("run2:11:30", "run1:1:5"))
    result = scale(data.reflections, data.experiments, parameters)
    z, experiment = data.reflections["z_cal"], data.reflections["experiment"]
    out = (experiment == 1) & (z >= 10) & (z < 30) | (experiment == 0) & (z < 5)
    excluded = has_flag(result.reflections, Flag.USER_EXCLUDED_IN_SCALING)
    np.testing.assert_array_equal(excluded, out)
    assert {"reason": "exclude_images", "n": int(out.sum())} in result.table("exclusions").rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run2:11", "RUN:FIRST:LAST"),
        ("run9:1:5", "no run run9 among run1"),
        ("run1:1:500", "images 1 to 180"),
    ],
)
def test_bad_exclusions_are_refused(text: str, message: str) -> None:
    data = made_up(d_min=5.0)
    with pytest.raises(ParameterError, match=message):
        scale(data.reflections, data.experiments, ScalingParameters(exclude_images=(text,)))
