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
def test_errors_are_those_of_isolated_spots(two_lattices):
    """At most 1.1 times, and as little more as cannot be avoided."""
    found = two_lattices.errors(two_lattices.simulation(0.03, 0.5), 3)
    assert len(found["least"]) > 700
    assert np.mean(found["least"] > 1.01) > 0.5  # most share pixels
    one, two, least = (two_lattices.robust(found[k]) for k in ("isolated", "together", "least"))
    assert one < 1.1
    assert two / one < 1.1
    assert two / one < 1.05 * least
    strong = found["intensity"] > 500
    assert two_lattices.robust(found["together"][strong]) < 1.1
