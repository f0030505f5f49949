"""The step `calibrate_detector` in memory, and integration with the response that it found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment, paint

from dxdask.integration import integrate
from dxdask.models import ExperimentList
from dxdask.response import DetectorResponse, calibrate_detector, response_of_run

TRUTH = DetectorResponse(threshold=30, factor=1.02, offset=1.0)


def pixels(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).exponential(150.0, 200_000).astype(np.int64)


@pytest.fixture(scope="module")
def models() -> ExperimentList:
    return ExperimentList.of([replace(experiment(n_images=8), run="a")])


def test_response_of_a_run(models: ExperimentList) -> None:
    found = calibrate_detector({"a": TRUTH.counts(pixels())}, models)
    response = response_of_run(found.tables, "a")
    assert response is not None
    assert response.threshold == 30
    assert response.factor == pytest.approx(1.02, abs=1e-4)
    assert found.messages[0].startswith("a: from 30 photons on counts are 1.0")


def test_linear_and_scaled_counts_have_none(models: ExperimentList) -> None:
    for values, reason in ((pixels(), "no count is skipped"), (pixels() + 0.5, "not whole")):
        found = calibrate_detector({"a": values}, models)
        assert response_of_run(found.tables, "a") is None
        assert reason in found.messages[0]


def test_integrated_photons_are_those_of_a_linear_detector() -> None:
    painted = paint(experiment(n_images=8, panels=2))
    args = (painted.mask, painted.experiment, painted.predicted)
    expected = integrate(painted.frames, *args).reflections
    recorded = TRUTH.counts(painted.frames).astype(painted.frames.dtype)
    # two counts a photon from 5 on: certainly not the same without the response
    steep = DetectorResponse(threshold=5, factor=2.0, offset=0.0)
    high = max(p.trusted_range[1] for p in painted.experiment.detector.panels)
    for response, frames in ((TRUTH, recorded), (steep, steep.counts(painted.frames))):
        assert frames.max() < high
        found = integrate(frames, *args, response=response).reflections
        for name in expected:
            assert np.array_equal(found[name], expected[name], equal_nan=True), name
    assert not np.array_equal(integrate(frames, *args).reflections["intensity_sum"],
                              expected["intensity_sum"])  # fmt: skip
