"""Two lattices half a degree apart are integrated as well as each alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "two_lattices.py"


@pytest.fixture(scope="module")
def two_lattices():
    spec = importlib.util.spec_from_file_location("two_lattices", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.jit
@pytest.mark.slow
@pytest.mark.parametrize("sigma_b", [0.03, 0.05, 0.08])
def test_errors_are_those_of_isolated_spots(two_lattices, sigma_b):
    """At most 1.1 times, or as little more as cannot be avoided, beside the errors of this test."""
    found = two_lattices.errors(two_lattices.simulation(sigma_b, 0.5), 4)
    assert len(found["least"]) > 700
    assert np.mean(found["least"] > 1.01) > 0.5  # most share pixels
    one, two, least = (two_lattices.robust(found[k]) for k in ("isolated", "together", "least"))
    assert one < 1.1
    assert two / one < max(1.1, 1.05 * least)
    for low, high in ((0.0, 100.0), (100.0, 500.0), (500.0, np.inf)):
        rows = (found["intensity"] > low) & (found["intensity"] <= high)
        two, least = (two_lattices.robust(found[k][rows]) for k in ("together", "least"))
        assert two < 1.15 * least
