"""A thousand sweeps are scaled without a matrix of all parameters."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from support.made_up import made_up

from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit


def test_a_thousand_sweeps_fit() -> None:
    n = 1000
    levels = np.exp(np.random.default_rng(5).uniform(-1.0, 1.0, n))
    data = made_up(
        d_min=5.0, transmissions=tuple(levels.tolist()), n_images=40, share=0.04, strength=2e4,
        wave=0.0,
    )  # fmt: skip
    parameters = ScalingParameters.model_validate(
        {"model": "physical", "physical": {"scale_interval": 2.5, "decay_correction": False}}
    )
    tracemalloc.start()
    result = scale(data.reflections, data.experiments, parameters)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = next(x for x in result.messages if x.startswith("Parameters refined: "))
    n_parameters = int(message.split()[2])
    assert n_parameters >= 10 * n
    matrix = 8 * n_parameters**2
    assert peak < 0.25 * matrix
    assert peak < 1000 * len(data.true)
    log = np.log(result.reflections["scale"] / data.scale)
    experiment = data.reflections["experiment"]
    mean = np.array([log[experiment == i].mean() for i in range(n)])
    assert (mean - mean.mean()).std() < 0.002
