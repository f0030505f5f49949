"""Minima of functions of one number."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from dxdask.scaling.minimum import minimum_between


@given(st.floats(0.05, 0.95), st.floats(0.1, 50.0))
def test_of_a_parabola_is_exact(place: float, curvature: float) -> None:
    x, value = minimum_between(lambda v: curvature * (v - place) ** 2 - 1.0, 0.0, 1.0, 1e-3)
    assert abs(x - place) < 1e-6
    assert abs(value + 1.0) < 1e-9


@pytest.mark.parametrize("k", [0.5, 3.0, 20.0])
def test_is_that_of_scipy(k: float) -> None:
    def function(x: float) -> float:
        return float(np.exp(-k * x) + x**1.5)

    found = scipy.optimize.minimize_scalar(function, bounds=(0.0, 3.0), method="bounded")
    x, value = minimum_between(function, 0.0, 3.0, 1e-5)
    assert abs(x - found.x) < 1e-4
    assert value <= found.fun + 1e-12


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_at_an_end(sign: float) -> None:
    x, _ = minimum_between(lambda v: sign * v, 0.0, 1.0, 1e-4)
    assert abs(x - (0.0 if sign > 0 else 1.0)) < 1e-4
