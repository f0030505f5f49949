"""The grids of the array model, each switched and counted, against known factors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.models import Detector, ExperimentList, Panel
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit
SIZE = 1000


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
