"""Factors of images that jump, against the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.errors import InputError
from dxdask.models import ExperimentList, Scan
from dxdask.scaling import ScalingParameters, scale
from dxdask.scaling.image_scales import image_component

pytestmark = pytest.mark.jit


def jumping(
    spread: float, *, n_images: int = 30, width: float = 1.0, runs: int = 4, strength: float = 5e3
) -> MadeUp:
    """Return wedges whose images have random factors of this spread, of the logarithm."""
    data = made_up(
        transmissions=(1.0,) * runs, n_images=n_images, width=width, wave=0.0, strength=strength,
        b_error=0.01, share=0.3,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    factor = np.exp(spread * rng.standard_normal((runs, n_images)))
    table = dict(data.reflections)
    own = factor[table["experiment"], table["z_cal"].astype(int)]
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name] * own
    data.reflections, data.scale = table, data.scale * own
    return data


def given(**physical: object) -> ScalingParameters:
    return ScalingParameters.model_validate({"model": "physical", "physical": physical})


def error_of(data: MadeUp, parameters: ScalingParameters) -> float:
    """Return the standard deviation of the logarithms of the scales, found less true."""
    result = scale(data.reflections, data.experiments, parameters)
    return float(np.log(result.reflections["scale"] / data.scale).std())


@pytest.mark.parametrize("spread", [0.3, 0.8])
def test_jumping_scales_are_found(spread: float) -> None:
    data = jumping(spread)
    with_factors, smooth = (error_of(data, given(image_scales=x)) for x in (True, False))
    assert with_factors < 0.02
    assert smooth > 0.5 * spread


def test_images_of_a_wedge_of_stills() -> None:
    data = jumping(0.8, width=0.0)
    parameters = ScalingParameters.model_validate({"physical": {"image_scales": True}})
    assert error_of(data, parameters) < 0.02


def test_the_factors_are_in_a_table() -> None:
    data = jumping(0.5)
    result = scale(data.reflections, data.experiments, given(image_scales=True))
    rows = result.table("image_scales").rows
    assert [(r["run"], r["image"]) for r in rows[29:31]] == [("run1", 30), ("run2", 1)]
    found = np.array([r["factor"] for r in rows])
    own = data.reflections["experiment"] * 30 + data.reflections["z_cal"].astype(int)
    true = np.bincount(own, np.log(data.scale)) / np.bincount(own)
    assert np.corrcoef(np.log(found), true)[0, 1] > 0.98


def test_factors_do_not_jump_where_intensities_do_not() -> None:
    data = jumping(0.0)
    errors = {w: error_of(data, given(image_scales=True, image_scale_restraint=w))
              for w in (0.1, 1e5)}  # fmt: skip
    assert errors[0.1] < 0.02
    assert errors[1e5] < errors[0.1]


def test_with_decay_by_dose() -> None:
    data = jumping(0.5)
    parameters = ScalingParameters.model_validate(
        {"model": "dose_decay", "physical": {"image_scales": True}}
    )
    assert error_of(data, parameters) < 0.02


def test_scans_too_long_are_refused() -> None:
    data = jumping(0.0, runs=1)
    (one,) = data.experiments
    long = replace(one, scan=Scan(image_range=(1, 18000), oscillation=(0.0, 0.01)))
    with pytest.raises(InputError, match="scale_interval"):
        image_component(ExperimentList.of([long]), 0.1)
