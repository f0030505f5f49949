"""The grids of the array model, each switched and counted, against known factors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.models import Detector, ExperimentList, Panel
from dxdask.scaling import ScalingParameters, blocks, scale

pytestmark = pytest.mark.jit
SIZE = 1000
TRANSMISSIONS = (0.05, 0.1, 0.25, 0.5, 1.0)


def with_detector(data: MadeUp, factor: np.ndarray) -> MadeUp:
    """Return the data on a square panel, with sums multiplied by a factor (n,)."""
    detector = Detector(panels=(Panel(image_size=(SIZE, SIZE)),))
    data.experiments = ExperimentList.of([replace(e, detector=detector) for e in data.experiments])
    table = dict(data.reflections)
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name] * factor
    data.reflections, data.scale = table, data.scale * factor
    return data


def response(table: dict[str, np.ndarray]) -> np.ndarray:
    """Return a response (n,) of the detector that varies by 10 % over it, not in time."""
    x, y = table["x_cal"] / SIZE, table["y_cal"] / SIZE
    return 1.0 + 0.1 * np.cos(3 * np.pi * x) * np.cos(2 * np.pi * y)


@pytest.fixture(scope="module")
def uneven() -> MadeUp:
    data = made_up(strength=2e4, d_min=2.6, transmissions=(1.0, 0.3), wave=0.1)
    return with_detector(data, response(data.reflections))


def given(**array: object) -> ScalingParameters:
    return ScalingParameters.model_validate({"model": "array", "array": array})


def error(data: MadeUp, parameters: ScalingParameters) -> float:
    """Return the standard deviation of the relative errors of the scales."""
    found = scale(data.reflections, data.experiments, parameters).reflections["scale"]
    d = data.reflections["d"]
    design = np.column_stack([np.ones(len(d)), 0.5 / d**2])
    log = np.log(found / data.scale)
    return float((log - design @ np.linalg.lstsq(design, log, rcond=None)[0]).std())


def counts(data: MadeUp, **array: object) -> str:
    """Return the message with the numbers of parameters."""
    result = scale(data.reflections, data.experiments, given(**array))
    return next(line for line in result.messages if line.startswith("Parameters refined"))


def test_the_response_of_the_detector_is_found_by_modulation(uneven: MadeUp) -> None:
    off = {"absorption_correction": False, "n_resolution_bins": 2}
    without = error(uneven, given(**off))
    coarse = error(uneven, given(modulation_correction=True, n_modulation_bins=4, **off))
    fine = error(uneven, given(modulation_correction=True, n_modulation_bins=12, **off))
    assert without > 0.045
    assert fine < 0.012
    assert fine < 0.5 * coarse


def test_a_factor_over_detector_and_rotation_is_found_by_absorption() -> None:
    data = made_up(strength=2e4, d_min=2.6, transmissions=(1.0, 1.0), wave=0.0)
    t = data.reflections
    data = with_detector(data, 1.0 + 0.2 * (t["x_cal"] / SIZE - 0.5) * np.cos(t["z_cal"] / 29.0))
    off = {"n_resolution_bins": 2, "decay_interval": 15.0}
    without = error(data, given(absorption_correction=False, **off))
    assert error(data, given(n_absorption_bins=2, **off)) < 0.35 * without
    # rotation in intervals that are too long to follow it
    assert error(data, given(n_absorption_bins=2, n_resolution_bins=2, decay_interval=90.0)) > (
        0.6 * without
    )


def test_a_scale_that_falls_with_resolution_is_found_by_decay() -> None:
    data = made_up(strength=2e4, d_min=2.6, transmissions=(1.0, 1.0), wave=0.0)
    t = data.reflections
    x = t["z_cal"] / 180.0 - 0.5
    data = with_detector(data, np.exp(-12.0 * x / (2 * t["d"] ** 2)))
    off = {"absorption_correction": False}
    assert error(data, given(decay_correction=False, **off)) > 0.06
    assert error(data, given(**off)) < 0.02


def test_the_grids_have_the_points_asked_for() -> None:
    data = made_up(d_min=4.0, transmissions=(1.0,))  # 90 degrees
    data = with_detector(data, np.ones(len(data.true)))
    small = {"n_resolution_bins": 3, "n_absorption_bins": 2, "decay_interval": 30.0}
    assert "12 of scale, 16 of absorption, in" in counts(data, **small)
    assert "4 of scale, 16 of absorption, in" in counts(data, **small, decay_correction=False)
    assert "21 of scale, 28 of absorption, in" in counts(data, **(small | {"decay_interval": 15.0}))
    assert "12 of scale, 36 of absorption, in" in counts(data, **(small | {"n_absorption_bins": 3}))
    assert "12 of scale, in" in counts(data, **small, absorption_correction=False)
    assert "12 of scale, 16 of absorption, 25 of modulation, in" in counts(
        data, **small, modulation_correction=True, n_modulation_bins=5
    )


@pytest.fixture(scope="module")
def transmissions() -> MadeUp:
    """Return few observations each of runs of five transmissions, on one uneven detector."""
    data = made_up(strength=2e4, d_min=3.0, share=0.2, transmissions=TRANSMISSIONS, wave=0.0)
    return with_detector(data, response(data.reflections))


def one_factor(**kb: object) -> ScalingParameters:
    return ScalingParameters.model_validate({"model": "KB", "KB": {"decay_correction": False} | kb})


@pytest.mark.parametrize("largest", [0, 512])
def test_one_factor_a_run_and_the_response_that_runs_share(
    transmissions: MadeUp, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(blocks, "LARGEST_WHOLE", largest)
    data = transmissions
    parameters = one_factor(modulation_correction=True)
    assert error(data, one_factor()) > 0.045
    assert error(data, parameters) < 0.004
    result = scale(data.reflections, data.experiments, parameters)
    assert "5 of scale, 100 of modulation, in" in " ".join(result.messages)
    # factors of the runs, at the same places of the detector
    log = np.log(result.reflections["scale"] / response(data.reflections))
    experiment = data.reflections["experiment"]
    mean = np.array([log[experiment == i].mean() for i in range(5)])
    np.testing.assert_allclose(
        np.exp(mean - mean[-1]), np.array(TRANSMISSIONS) / TRANSMISSIONS[-1], rtol=2e-3
    )


def test_the_response_that_runs_share_has_the_points_asked_for(transmissions: MadeUp) -> None:
    coarse = one_factor(modulation_correction=True, n_modulation_bins=3)
    result = scale(transmissions.reflections, transmissions.experiments, coarse)
    assert "5 of scale, 9 of modulation, in" in " ".join(result.messages)
    assert error(transmissions, coarse) > 0.03


def test_each_detector_has_a_response_of_its_own(transmissions: MadeUp) -> None:
    other = Detector(panels=(Panel(image_size=(SIZE, SIZE), origin=(0.0, 0.0, -120.0)),))
    members = [
        replace(e, detector=other) if i in (1, 3) else e
        for i, e in enumerate(transmissions.experiments)
    ]
    t = transmissions.reflections
    second = np.isin(t["experiment"], (1, 3))
    # the second detector is even: its response is the inverse of what the first one's was
    factor = np.where(second, 1.0 / response(t), 1.0)
    table = dict(t)
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name] * factor
    data = replace(
        transmissions,
        reflections=table,
        experiments=ExperimentList.of(members),
        scale=transmissions.scale * factor,
    )
    result = scale(table, data.experiments, one_factor(modulation_correction=True))
    assert "5 of scale, 200 of modulation, in" in " ".join(result.messages)
    assert error(data, one_factor(modulation_correction=True)) < 0.015
