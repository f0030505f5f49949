"""Exclusions of scaling are counted by reason, and doubts are reported."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag
from dxdask.models.smoother import Smoother
from dxdask.scaling import ScalingParameters, scale
from dxdask.scaling.design import Design
from dxdask.scaling.fit import fit_scales

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def ensemble() -> MadeUp:
    return made_up()


def given(**changed: object) -> ScalingParameters:
    return ScalingParameters.model_validate(changed)


def reasons(result) -> dict[str, int]:
    return {row["reason"]: row["n"] for row in result.table("exclusions").rows}


def with_flags(table: dict, rows: np.ndarray, flags: int, without: int = 0) -> dict:
    new = table["flags"].copy()
    new[rows] = (new[rows] & ~np.uint32(without)) | np.uint32(flags)
    return table | {"flags": new}


def warnings_of(result) -> str:
    return "\n".join(line for line in result.messages if line.startswith("Warning"))


def test_every_reflection_left_out_is_counted_once(ensemble: MadeUp):
    table = dict(ensemble.reflections)
    n = len(table["d"])
    a, b, c, e = (np.arange(k * 100, (k + 1) * 100) for k in range(4))
    failed = Flag.FAILED_DURING_SUMMATION
    table = with_flags(table, a, Flag.OVERLOADED | failed, Flag.INTEGRATED)
    table = with_flags(table, b, Flag.FOREGROUND_INCLUDES_BAD_PIXELS | failed, Flag.INTEGRATED)
    table = with_flags(table, c, Flag.OVERLAPPED_FG)
    partiality = table["partiality"].copy()
    partiality[e] = 0.2
    d_min = float(np.sort(table["d"])[50])
    result = scale(
        table | {"partiality": partiality}, ensemble.experiments, given(cut_data={"d_min": d_min})
    )
    counted = reasons(result)
    assert counted["overloaded"] == counted["bad pixels in the foreground"] == 100
    assert counted["overlapped"] == counted["partiality"] == 100
    assert 30 <= counted["resolution"] <= 50
    n_scaled = result.table("summary").rows[0]["n_scaled"]
    assert sum(counted.values()) + n_scaled == n
    assert "Warning" not in warnings_of(result)


def test_less_than_half_is_reported(ensemble: MadeUp):
    n = len(ensemble.reflections["d"])
    most = np.flatnonzero(np.random.default_rng(1).uniform(size=n) < 0.7)
    table = with_flags(dict(ensemble.reflections), most, Flag.OVERLAPPED_FG)
    result = scale(table, ensemble.experiments)
    assert f"of {n} reflections are scaled" in warnings_of(result)
    assert f"overlapped ({len(most)})" in warnings_of(result)


def faded(ensemble: MadeUp) -> tuple[dict, np.ndarray]:
    """Return the reflections of which the last tenth of the first run is a hundredth as strong."""
    table = dict(ensemble.reflections)
    first, last = ensemble.experiments[0].scan.array_range
    end = table["z_cal"] > last - 0.1 * (last - first)
    rows = np.flatnonzero((table["experiment"] == 0) & end)
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name].copy()
        table[name][rows] /= 100.0
    return table, rows


def test_observations_of_a_small_scale_are_left_out_and_reported(ensemble: MadeUp):
    table, rows = faded(ensemble)
    own = {"physical": {"scale_interval": 2.0}}
    kept = scale(table, ensemble.experiments, given(cut_data={"small_scale_cutoff": 0.0}, **own))
    assert "small scale" not in reasons(kept)
    assert "range over more than a factor of 10" in warnings_of(kept)
    result = scale(table, ensemble.experiments, given(**own))
    n = reasons(result)["small scale"]
    assert 0.5 * len(rows) < n < 1.5 * len(rows)
    assert f"{n} observations are left out" in warnings_of(result)
    out = has_flag(result.reflections, Flag.EXCLUDED_FOR_SCALING)
    assert out.sum() == n
    assert not has_flag(result.reflections, Flag.SCALED)[out].any()
    # runs of other strengths are measured by their own medians
    assert not out[ensemble.reflections["experiment"] > 0].any()


def test_scatter_beyond_reason_is_reported(ensemble: MadeUp):
    table = dict(ensemble.reflections)
    variance = table["intensity_sum_variance"] / 100.0
    result = scale(
        table | {"intensity_sum_variance": variance},
        ensemble.experiments,
        given(weighting={"counting_variance": "observed"}),
    )
    assert "times as much as counting explains" in warnings_of(result)


def test_a_stretch_without_equivalents_keeps_the_scale_of_its_run():
    rng = np.random.default_rng(4)
    smoother = Smoother(start=0.0, width=100.0, n_intervals=8)
    # pairs, but in the last third of the scan reflections are alone
    z = np.concatenate([np.repeat(rng.uniform(0, 60, 200), 1), rng.uniform(0, 60, 200)])
    alone = rng.uniform(75, 100, 50)
    order = np.argsort(np.concatenate([np.arange(200), np.arange(200)]), kind="stable")
    z = np.concatenate([z[order], alone])
    offsets = np.concatenate([np.arange(0, 401, 2), 400 + np.arange(1, 51)])
    index, value = smoother.weights(z)
    start = np.full(smoother.n_points, np.log(50.0))
    intensity = 50.0 * np.repeat(rng.exponential(20.0, len(offsets) - 1), np.diff(offsets))
    intensity += rng.normal(0, 5.0, len(intensity))
    result = fit_scales(
        offsets,
        np.full(len(z), 1 / 25.0),
        intensity,
        Design(
            index=index,
            value=value,
            first=np.full(len(z), -1, np.int32),
            dense=np.zeros((len(z), 0), np.float32),
        ),
        start,
        owners=np.zeros(smoother.n_points, np.int32),
        restraint=np.full(smoother.n_points, 0.1),
        target=start,
    )
    np.testing.assert_allclose(np.log(result.scales), np.log(50.0), atol=0.2)
    assert result.costs[-1] <= result.costs[0]
