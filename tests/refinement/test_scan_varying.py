"""Crystals that drift along their scans are found as they are, and static ones stay static."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.drifting_sweeps import drifting, errors, spots, static, sweep

from dxdask.columns import Flag, Reflections, select
from dxdask.models import ExperimentList
from dxdask.prediction import predict_all
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.predict import predict
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

KNOWN = {"beam": {"fix": ["all"]}, "detector": {"fix": "all"}}
"""Beam and detector are true: so that the drift of a crystal can be compared with the truth."""
EVERY = {"outlier": {"algorithm": None}}
WIDTHS = [36.0, "auto"]


def refined(table: Reflections, start: ExperimentList, **parameterisation: Any) -> StepResult:
    given = {"parameterisation": parameterisation, "reflections": EVERY}
    return refine(table, start, RefinementParameters.model_validate(given))


def taken(result: StepResult) -> list[int]:
    """Return the number of intervals of each crystal that was considered."""
    return [r["n_intervals"] for r in result.table("intervals").rows if r["taken"]]


def chi2(table: Reflections, experiments: ExperimentList) -> float:
    """Return the mean square residual in standard deviations."""
    out = predict(table, experiments)
    pairs = [("x_mm", "x_cal_mm"), ("y_mm", "y_cal_mm"), ("phi_rad", "phi_cal_rad")]
    squares = [(out[a] - out[b]) ** 2 / out[f"{a}_variance"] for a, b in pairs]
    return float(np.nanmean(squares))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_a_slow_drift_is_recovered(width: float | str, sigma: float) -> None:
    true = drifting(sweep())
    table = spots([true], sigma=sigma)
    result = refined(table, static([true]), interval_width_degrees=width, **KNOWN)
    angles, cells = errors(result.experiments.crystals[0], true.crystal, 120)
    # 0.2 images of 1 degree are 0.2 degree a spot; 5300 spots determine 5 x 5 parameters
    assert np.sqrt((angles**2).mean()) < (0.003 if sigma == 0.0 else 0.012)
    assert np.sqrt((cells**2).mean()) < (1e-4 if sigma == 0.0 else 2.5e-4)
    assert angles.max() < 0.03


def test_a_fast_drift_needs_narrower_intervals() -> None:
    true = drifting(sweep(), waves=3.0)
    table = spots([true])
    wide, auto = (refined(table, static([true]), interval_width_degrees=w, **KNOWN) for w in WIDTHS)
    means = [errors(r.experiments.crystals[0], true.crystal, 120)[0].mean() for r in (wide, auto)]
    assert taken(auto)[0] > 10
    assert means[1] < 0.025 < means[0]
    others = spots([true], seed=1)
    assert chi2(others, auto.experiments) < 1.1 < chi2(others, wide.experiments)


@pytest.mark.parametrize("seed", range(6))
def test_chosen_intervals_predict_other_spots_no_worse_than_the_usual_ones(seed: int) -> None:
    true = drifting(sweep(180), waves=0.3 + 0.1 * (seed % 3))
    table, others = (spots([true], seed=s, d_min=6.0) for s in (seed, seed + 100))
    usual, auto = (
        refined(table, static([true]), interval_width_degrees=w, **KNOWN) for w in WIDTHS
    )
    assert taken(auto)[0] > 0
    assert chi2(others, auto.experiments) <= chi2(others, usual.experiments) + 1e-9


def test_without_a_drift_crystals_stay_static() -> None:
    true = sweep()
    n = 0
    for seed in range(8):
        auto = refined(spots([true], seed=seed, d_min=6.0), static([true]), **KNOWN)
        fixed = refined(
            spots([true], seed=seed, d_min=6.0), static([true]), interval_width_degrees=36.0,
            scan_varying=True, **KNOWN,
        )  # fmt: skip
        n += auto.experiments.crystals[0].scan_points is None
        off = [errors(r.experiments.crystals[0], true.crystal, 120)[0] for r in (auto, fixed)]
        assert off[0].mean() <= off[1].mean()
    assert n >= 6


def test_the_gauge_of_beam_and_detector_is_kept() -> None:
    true = sweep(180)
    table = spots([true], d_min=6.0)
    off = []
    for fix_gauge in (True, False):
        result = refined(
            table, static([true]), scan_varying=True, interval_width_degrees=36.0,
            fix_gauge=fix_gauge,
        )  # fmt: skip
        off.append(errors(result.experiments.crystals[0], true.crystal, 180)[0].mean())
    assert off[0] < 0.01
    assert off[0] < off[1]


def test_a_varying_crystal_can_be_refined_again() -> None:
    true = drifting(sweep())
    table = spots([true])
    first = refined(table, static([true]), **KNOWN)
    again = refined(table, first.experiments, **KNOWN)
    assert taken(again) == taken(first)
    np.testing.assert_allclose(
        again.experiments.crystals[0].scan_points, first.experiments.crystals[0].scan_points,
        atol=1e-8,
    )  # fmt: skip
    back = refined(table, first.experiments, scan_varying=False, **KNOWN)
    plain = refined(table, static([true]), scan_varying=False, **KNOWN)
    assert back.experiments.crystals[0].scan_points is None
    np.testing.assert_allclose(
        back.experiments.crystals[0].a, plain.experiments.crystals[0].a, atol=1e-8
    )


@pytest.mark.parametrize("trim", [True, False])
def test_points_without_spots_follow_their_neighbours(trim: bool) -> None:
    true = drifting(sweep())
    every = spots([true])
    z = true.scan.z_from_phi(every["phi_rad"])
    seen = (z > 20) & (z < 105) & ((z < 50) | (z > 65))
    result = refined(
        select(every, seen), static([true]), interval_width_degrees=12.0, scan_varying=True,
        trim_scan_to_observations=trim, **KNOWN,
    )  # fmt: skip
    crystal = result.experiments.crystals[0]
    angles, cells = errors(crystal, true.crystal, 120)
    assert len(crystal.scan_points) == 121
    assert np.isfinite(angles).all()
    # without trimming, points before the first spot are extrapolated
    assert angles.max() < (0.1 if trim else 0.5)
    assert cells.max() < (4e-3 if trim else 1e-2)
    assert angles[50:65].max() < 0.1
    found = predict_all(result.experiments[0], d_min=6.0)
    assert np.isfinite(found["x_cal"]).all()


def test_crystals_of_a_few_images_stay_static() -> None:
    true = drifting(sweep(9, 5.0))
    result = refined(spots([true]), static([true]), scan_varying=True, **KNOWN)
    assert result.experiments.crystals[0].scan_points is None


def test_one_of_the_runs_of_a_crystal_drifts() -> None:
    runs = [sweep(run=k) for k in range(3)]
    true = [runs[0], drifting(runs[1]), runs[2]]
    start = static(true)
    assert len(start.crystals) == 1
    result = refined(spots(true, d_min=6.0, seed=1), start, **KNOWN)
    assert [n > 0 for n in taken(result)] == [False, True, False]
    varies = [e.crystal.scan_points is not None for e in result.experiments]
    assert varies == [False, True, False]
    members = result.experiments.members
    assert members[0].crystal == members[2].crystal != members[1].crystal
    for e, wanted in zip(result.experiments, true, strict=True):
        assert errors(e.crystal, wanted.crystal, 120)[0].mean() < 0.02


def test_order_of_rows_does_not_matter() -> None:
    true = drifting(sweep())
    table = spots([true], d_min=6.0)
    order = np.random.default_rng(0).permutation(len(table["flags"]))
    one, other = (refined(t, static([true])) for t in (table, select(table, order)))
    assert taken(one) == taken(other)
    assert one.experiments == other.experiments


def test_outliers_do_not_make_a_crystal_vary() -> None:
    true = sweep()
    table = spots([true], d_min=6.0)
    rng = np.random.default_rng(0)
    bad = rng.choice(len(table["flags"]), len(table["flags"]) // 20, replace=False)
    table["x_mm"][bad] += rng.uniform(0.3, 1.0, len(bad))
    result = refine(table, static([true]), RefinementParameters())
    assert ((result.reflections["flags"][bad] & Flag.CENTROID_OUTLIER) != 0).mean() > 0.95
    assert errors(result.experiments.crystals[0], true.crystal, 120)[0].mean() < 0.02


def test_a_crystal_whose_cell_is_fixed_varies_in_orientation_alone() -> None:
    true = drifting(sweep(), strain=0.0)
    result = refined(
        spots([true]), static([true]), crystal={"fix": "cell"}, scan_varying=True, **KNOWN
    )
    crystal = result.experiments.crystals[0]
    b = np.linalg.norm(np.array(crystal.scan_points), axis=1)
    np.testing.assert_allclose(b, b[:1].repeat(121, axis=0), rtol=1e-9)
    assert errors(crystal, true.crystal, 120)[0].mean() < 0.012


def test_models_without_reflections_in_a_run_are_left() -> None:
    true = [sweep(), replace(sweep(run=1), crystal=None)]
    table = spots(true[:1], d_min=6.0)
    result = refined(table, ExperimentList.of(true))
    assert result.experiments[1].crystal is None
