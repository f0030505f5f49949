"""Error models: of each run, and stable when some of the data are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.made_up import MadeUp, made_up, unmerged_mtz

from dxdask.columns import Reflections, select
from dxdask.models import ExperimentList
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit


def limit(reflections: Reflections, experiments: ExperimentList) -> float:
    """Return ISa, the limit of I/sigma of strong reflections."""
    return float(scale(reflections, experiments).table("error_model").rows[0]["i_over_sigma_limit"])


def changes(reflections: Reflections, experiments: ExperimentList) -> tuple[float, list[float]]:
    """Return ISa, and its relative changes when a random twentieth of the data is left out."""
    whole, out = limit(reflections, experiments), []
    for seed in range(3):
        keep = np.random.default_rng(seed).random(len(reflections["d"])) > 0.05
        out.append(limit(select(reflections, keep), experiments) / whole - 1.0)
    return whole, out


INSULIN = {
    "symbol": "I 21 3", "cell": (78.0, 78.0, 78.0, 90.0, 90.0, 90.0), "d_min": 2.0, "share": 0.15,
    "transmissions": (0.05, 0.1, 0.25, 0.5, 1.0), "n_images": 560, "width": 0.1,
    "strength": 5000.0, "background": 30.0,
}  # fmt: skip


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("b", "given"),
    [
        (0.03, {"decay": 2.0}),
        (0.01, {"strength": 3e4, "d_min": 3.5}),
        (0.05, {"strength": 500.0, "d_min": 3.5}),
        (0.03, {"share": 0.25, "d_min": 4.0}),
        (0.03, {"symbol": "P 1 21 1", "cell": (40.0, 50.0, 60.0, 90.0, 105.0, 90.0), "d_min": 4.0}),
        (0.007, INSULIN),
    ],
    ids=["decay", "strong", "weak", "few", "monoclinic", "insulin"],
)
def test_leaving_out_a_twentieth_does_not_move_the_limit(
    b: float, given: dict[str, object], seed: int
) -> None:
    data = made_up(b_error=b, seed=seed, **given)  # type: ignore[arg-type]
    whole, changed = changes(data.reflections, data.experiments)
    assert np.abs(changed).max() < 0.03
    assert whole == pytest.approx(1 / b, rel=0.12)


@pytest.mark.shared
@pytest.mark.slow
def test_leaving_out_a_twentieth_of_real_data_does_not_move_the_limit(shared: Path) -> None:
    path = shared / "data/real/unmerged/insulin_dials_scaled_unmerged.mtz"
    assert np.abs(changes(*unmerged_mtz(path))[1]).max() < 0.03


@pytest.fixture(scope="module")
def uneven() -> MadeUp:
    """Return two runs, the first with errors of its own of 3 per cent, the second of 8."""
    quiet = made_up(transmissions=(1.0, 1.0), b_error=0.03, strength=5000.0)
    noisy = dict(quiet.reflections)
    rng = np.random.default_rng(0)
    second = noisy["experiment"] == 1
    more = 1.0 + np.sqrt(0.08**2 - 0.03**2) * rng.standard_normal(int(second.sum()))
    noisy["intensity_sum"] = noisy["intensity_sum"].copy()
    noisy["intensity_sum"][second] *= more
    quiet.reflections = noisy
    return quiet


def test_errors_of_each_run_are_recovered(uneven: MadeUp) -> None:
    parameters = ScalingParameters.model_validate(
        {"weighting": {"error_model": {"grouping": "individual"}}}
    )
    rows = scale(uneven.reflections, uneven.experiments, parameters).table("runs").rows
    ab = [row["a"] * row["b"] for row in rows]
    np.testing.assert_allclose(ab, [0.03, 0.08], rtol=0.1)
    together = scale(uneven.reflections, uneven.experiments)
    assert "a" not in together.table("runs").rows[0]
    assert 0.04 < together.table("error_model").rows[0]["b"] < 0.075
