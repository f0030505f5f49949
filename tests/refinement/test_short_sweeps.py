"""Crystals of short sweeps vary where they drift by as much as centroids tell, and only there."""

from __future__ import annotations

import pytest
from support.drifting_sweeps import drifting, spots, static, sweep

from dxdask.models import Experiment
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

KNOWN = {
    "parameterisation": {"beam": {"fix": ["all"]}, "detector": {"fix": "all"}},
    "reflections": {"outlier": {"algorithm": None}},
}
IMAGE_DEG = 0.5


def of_length(degrees: float, drift: float) -> Experiment:
    """Return a sweep whose crystal turns by a drift (degree) from end to end."""
    true = sweep(round(degrees / IMAGE_DEG), IMAGE_DEG)
    return drifting(true, degrees=drift, strain=0.0, waves=0.25) if drift else true


def refined(true: Experiment, seed: int) -> StepResult:
    """Return the refinement against centroids with errors of 0.1 degree along the rotation."""
    table = spots([true], sigma=0.2, d_min=5.0, seed=seed)
    return refine(table, static([true]), RefinementParameters.model_validate(KNOWN))


def varies(result: StepResult) -> bool:
    return result.experiments.crystals[0].scan_points is not None


@pytest.mark.parametrize("degrees", [10.0, 24.0, 45.0])
def test_without_a_drift_crystals_are_static(degrees: float) -> None:
    true = of_length(degrees, 0.0)
    assert not any(varies(refined(true, seed)) for seed in range(5))


@pytest.mark.parametrize("degrees", [10.0, 24.0, 45.0])
def test_a_drift_of_the_precision_of_centroids_is_found(degrees: float) -> None:
    true = of_length(degrees, 0.15)
    assert all(varies(refined(true, seed)) for seed in range(3))


@pytest.mark.parametrize("degrees", [24.0, 45.0])
def test_a_gain_of_a_hundredth_is_none(degrees: float) -> None:
    # as from systematic errors of centroids: 1 to 2 % of chi squared, several standard errors
    result = refined(of_length(degrees, 0.06), 0)
    compared = [row["left_out_chi2"] for row in result.table("intervals").rows]
    assert 1.005 < compared[0] / min(compared) < 1.02
    assert not varies(result)
