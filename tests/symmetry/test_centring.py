"""Lattices that are smaller than indexed, and pseudo-centring, of simulated crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.centred_lattices import with_absent_reflections
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.symmetry import symmetry


def indexed_primitive(
    symbol: str, *, absent: float = 0.0, seed: int = 1
) -> tuple[Reflections, ExperimentList, Truth]:
    """Return a centred crystal in its conventional cell as if it were primitive.

    absent : mean intensity of the reflections that centring makes absent, of that of the others.
    """
    truth = Truth.of(symbol, seed=seed)
    table, experiments = crystals_of(truth, keep_axes=True)
    crystals = tuple(replace(c, space_group="P 1") for c in experiments.crystals)
    # absent reflections lie half-way between the present ones
    rng = np.random.default_rng(seed)
    moved = table["hkl"] + np.array([1, 0, 0], np.int32)
    sigma = np.sqrt(table["intensity_sum_variance"])
    weak = absent * rng.exponential(size=len(moved)) * float(table["intensity_sum"].mean())
    more = {
        **table, "hkl": moved,
        "intensity_sum": weak + 5.0 * rng.standard_normal(len(moved)),
        "intensity_sum_variance": 25.0 + (0.05 * weak) ** 2 + 0.0 * sigma,
    }  # fmt: skip
    keep = np.any(moved != 0, axis=1)
    joined = {k: np.concatenate([table[k], more[k][keep]]) for k in table}
    return joined, replace(experiments, crystals=crystals), truth


def said(result: StepResult) -> str:
    return "\n".join(result.messages)


@pytest.mark.parametrize("symbol", ["F 2 2 2", "F 4 3 2", "R 3 2", "R 3"])
def test_lattices_that_are_three_or_four_times_smaller(symbol: str) -> None:
    truth = Truth.of(symbol)
    result = symmetry(*with_absent_reflections(truth))
    crystal = result.experiments.crystals[0]
    assert crystal.gemmi_space_group.number == truth.group.number
    assert "smaller than indexed" in said(result)
    np.testing.assert_allclose(sorted(crystal.unit_cell[:3]), sorted(truth.cell[:3]), rtol=1e-6)


@pytest.mark.parametrize("symbol", ["I 2 2 2", "C 2 2 21", "I 4"])
def test_centring_is_found_by_absent_reflections(symbol: str) -> None:
    table, experiments, truth = indexed_primitive(symbol)
    result = symmetry(table, experiments)
    crystal = result.experiments.crystals[0]
    assert crystal.gemmi_space_group.centring_type() == truth.group.centring_type()
    assert crystal.gemmi_space_group.laue_str() == truth.group.laue_str()
    assert "2-fold smaller than indexed" in said(result)
    np.testing.assert_allclose(sorted(crystal.unit_cell[:3]), sorted(truth.cell[:3]), rtol=1e-6)
    half = len(table["hkl"]) // 2
    integrated = has_flag(result.reflections, Flag.INDEXED)
    assert integrated[:half].all()
    assert not integrated[half + 1 :].any()


def test_weak_reflections_keep_the_cell_and_are_said() -> None:
    table, experiments, _ = indexed_primitive("I 2 2 2", absent=0.15)
    result = symmetry(table, experiments)
    assert result.experiments.crystals[0].gemmi_space_group.centring_type() == "P"
    assert "pseudo-centring by (1/2, 1/2, 1/2)" in said(result)


def test_a_primitive_crystal_has_no_centring() -> None:
    result = symmetry(*crystals_of(Truth.of("P 21 21 21")))
    assert "smaller than indexed" not in said(result)
    assert "pseudo-centring" not in said(result)
