"""Twins, pseudo-translations and neither, simulated."""

from __future__ import annotations

import numpy as np
import pytest
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Reflections
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.symmetry import symmetry

CELL = (60.0, 60.0, 50.0, 90.0, 90.0, 90.0)
LAW = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])


def twin(symbol: str, fraction: float) -> tuple[Reflections, ExperimentList]:
    """Return a twin by exchange of the first two axes."""
    truth = Truth.of(symbol, cell=CELL)
    table, experiments = crystals_of(truth, keep_axes=True, noise=0.02)
    one = truth.intensities(table["hkl"])
    other = truth.intensities(table["hkl"] @ LAW)
    error = table["intensity_sum"] - one
    table["intensity_sum"] = (1.0 - fraction) * one + fraction * other + error
    return table, experiments


def values(result: StepResult) -> dict[str, float]:
    return {r["test"]: r["value"] for r in result.table("twinning").rows}


def said(result: StepResult) -> str:
    return "\n".join(result.messages)


@pytest.mark.parametrize("symbol", ["P 4", "P 21 21 21", "I 4"])
def test_no_twin(symbol: str) -> None:
    result = symmetry(*twin(symbol, 0.0))
    found = values(result)
    assert "no sign of twinning" in said(result)
    assert found["<|L|>"] == pytest.approx(0.5, abs=0.02)
    assert found["<L^2>"] == pytest.approx(1 / 3, abs=0.02)
    assert found["<I^2>/<I>^2"] == pytest.approx(2.0, abs=0.15)
    assert "pseudo-translation" not in said(result)


@pytest.mark.parametrize("fraction", [0.15, 0.25, 0.3])
def test_the_fraction_of_a_twin(fraction: float) -> None:
    result = symmetry(*twin("P 4", fraction))
    if result.table("laue_groups").rows[0]["group"] != "P 4":
        assert fraction == 0.3
        assert "as of a twin" in said(result)
        assert "pseudo-symmetry, twinning or absorption" in said(result)
        return
    (law,) = [v for k, v in values(result).items() if k.startswith("<|H|>")]
    assert 0.5 - law == pytest.approx(fraction, abs=0.02)
    assert "twinned by" in said(result)


def test_a_perfect_twin_is_said() -> None:
    result = symmetry(*twin("P 4", 0.5))
    found = values(result)
    assert found["<|L|>"] == pytest.approx(0.375, abs=0.02)
    assert found["<I^2>/<I>^2"] == pytest.approx(1.5, abs=0.1)
    assert "perfect twin" in said(result)


def test_a_law_that_does_not_relate_the_domains_is_not_named() -> None:
    # a perfect twin of P 3 by the twofold axis along c: H of other laws is that of any two of its
    # intensities, 0.375
    truth = Truth.of("P 3", d_min=2.5)
    table, experiments = crystals_of(truth, keep_axes=True, noise=0.02)
    hkl = table["hkl"]
    other = truth.intensities(hkl * np.array([-1, -1, 1]))
    table["intensity_sum"] += 0.5 * (other - truth.intensities(hkl))
    result = symmetry(table, experiments)
    found = values(result)
    (law,) = [v for k, v in found.items() if k.startswith("<|H|>")]
    assert law == pytest.approx(found["<|L|>"], abs=0.02)
    assert "twinned by" not in said(result)
    assert "a perfect twin may pass for higher symmetry" in said(result)


def test_a_pseudo_translation_is_said() -> None:
    truth = Truth.of("P 21 21 21", cell=(50.0, 60.0, 70.0, 90.0, 90.0, 90.0))
    odd = (truth.hkl.sum(axis=1) % 2 == 1) | (truth.hkl.sum(axis=1) % 2 == -1)
    truth.intensity[odd] *= 0.2
    result = symmetry(*crystals_of(truth, keep_axes=True))
    assert "pseudo-translation by" in said(result)
    row = next(m for m in result.messages if "pseudo-translation" in m)
    assert row.count("0.500") == 3
