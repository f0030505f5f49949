"""Minimum of a function of one variable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.scaling.minimum import minimum


@given(place=st.floats(-2.0, 3.0), curvature=st.floats(0.1, 10.0), fourth=st.floats(0.0, 2.0))
def test_minimum_of_a_function_with_one_is_found(
    place: float, curvature: float, fourth: float
) -> None:
    def function(x: float) -> float:
        return curvature * (x - place) ** 2 + fourth * (x - place) ** 4

    found, value = minimum(function, -2.5, 3.5, 1e-6)
    assert found == pytest.approx(place, abs=2e-6)
    assert value == function(found)


@pytest.mark.parametrize(("slope", "end"), [(1.0, -1.0), (-1.0, 2.0)])
def test_minimum_at_an_end_is_found(slope: float, end: float) -> None:
    found, _ = minimum(lambda x: slope * x, -1.0, 2.0, 1e-6)
    assert found == pytest.approx(end, abs=2e-6)
