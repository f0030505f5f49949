"""Merging of made-up stills: the truth comes back, in any order and by any blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.integrated_stills import Simulated, simulated

from dxdask.columns import Reflections
from dxdask.errors import InputError, SchemaError
from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.merging.stills.observations import observations_of
from dxdask.models.rotations import rotation_matrices
from dxdask.models.symmetry import pack
from dxdask.scaling.observations import common_symmetry

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def data() -> Simulated:
    return simulated()


def against_truth(table: Reflections, data: Simulated) -> tuple[float, NDArray[np.float64]]:
    """Return the correlation with the truth, and z of each reflection after one scale."""
    true = np.array([data.truth[k] for k in pack(table["hkl"]).tolist()])
    strong = true > np.median(true)
    factor = np.median(table["intensity"][strong] / true[strong])
    z = (table["intensity"] - factor * true) / table["sigma"]
    return float(np.corrcoef(table["intensity"], true)[0, 1]), z


def test_intensities_and_their_errors_are_right(data: Simulated) -> None:
    merged = merge_stills(data.reflections, data.stills, data.experiments)
    cc, z = against_truth(merged.reflections, data)
    assert cc > 0.98
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.3


def test_stills_come_back(data: Simulated) -> None:
    merged = merge_stills(data.reflections, data.stills, data.experiments)
    scale = merged.arrays["scale"]
    assert np.corrcoef(np.log(scale), np.log(data.scale))[0, 1] > 0.99
    before = _misset(data.stills["a_matrix"], data)
    after = _misset(merged.arrays["a_matrix"], data)
    assert np.median(after) < 0.35 * np.median(before)


def _misset(a: NDArray[np.float64], data: Simulated) -> NDArray[np.float64]:
    """Return the errors of A (n, 3, 3) across the beam, as relative lengths."""
    right = rotation_matrices(data.tilts) @ data.stills["a_matrix"] * (1 + 1e-3)
    off = a @ np.linalg.inv(right) - np.eye(3)
    return np.hypot(off[:, 1, 2] - off[:, 2, 1], off[:, 0, 2] - off[:, 2, 0])


def test_any_order_of_rows_gives_the_same(data: Simulated) -> None:
    rows = np.random.default_rng(1).permutation(len(data.reflections["z"]))
    shuffled = {k: v[rows] for k, v in data.reflections.items()}
    one = merge_stills(data.reflections, data.stills, data.experiments).reflections
    other = merge_stills(shuffled, data.stills, data.experiments).reflections
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_mosaicity_comes_back_and_intensities_with_it() -> None:
    data = simulated(mosaic=1.5e-3, bright=3000.0)
    with_it = merge_stills(data.reflections, data.stills, data.experiments)
    off = StillsMergingParameters.model_validate({"post_refinement": {"mosaicity": False}})
    without = merge_stills(data.reflections, data.stills, data.experiments, off)
    found = with_it.arrays["rlp_mosaicity"]
    assert np.median(found) == pytest.approx(np.degrees(1.5e-3), rel=0.1)
    assert (without.arrays["rlp_mosaicity"] < 1e-6).all()
    errors = [1 - against_truth(m.reflections, data)[0] for m in (with_it, without)]
    assert errors[0] < 0.8 * errors[1]
    for merged, most in ((with_it, 1.2), (without, 1.8)):
        assert 0.7 < np.sqrt(np.mean(against_truth(merged.reflections, data)[1] ** 2)) < most


def test_min_partiality_leaves_out_what_is_hardly_recorded(data: Simulated) -> None:
    few, all_of_them = (
        merge_stills(
            data.reflections, data.stills, data.experiments,
            StillsMergingParameters(min_partiality=p),
        ).table("overall").rows[0]
        for p in (0.5, 0.02)
    )  # fmt: skip
    assert few["n_obs"] < 0.6 * all_of_them["n_obs"]
    assert few["cc_half"] > all_of_them["cc_half"]


def test_max_excitation_leaves_out_what_is_far_from_the_sphere(data: Simulated) -> None:
    symmetry = common_symmetry(data.experiments)

    def excitations(most: float | None) -> NDArray[np.float64]:
        given = StillsMergingParameters(max_excitation=most)
        found = observations_of(data.reflections, data.stills, data.experiments, *symmetry, given)
        return np.abs(found.excitation)

    every = excitations(None)
    assert len(every) == len(data.reflections["hkl"])
    middle = float(np.median(every))
    np.testing.assert_array_equal(excitations(middle), every[every <= middle])
    with pytest.raises(InputError, match="max_excitation 1e-09"):
        excitations(1e-9)


def test_without_the_prior_intensities_may_be_negative(data: Simulated) -> None:
    merged = merge_stills(
        data.reflections, data.stills, data.experiments, StillsMergingParameters(prior="none")
    )
    table = merged.reflections
    assert (table["intensity"] < 0).any()
    with_prior = merge_stills(data.reflections, data.stills, data.experiments).reflections
    assert (with_prior["intensity"] > 0).all()
    known = table["intensity"] > 20 * table["sigma"]
    np.testing.assert_allclose(table["intensity"][known], with_prior["intensity"][known], rtol=0.05)


def test_nothing_integrated_is_said(data: Simulated) -> None:
    flags = np.zeros_like(data.reflections["flags"])
    with pytest.raises(InputError, match="integrate the stills first"):
        merge_stills({**data.reflections, "flags": flags}, data.stills, data.experiments)


def test_no_crystal_is_said(data: Simulated) -> None:
    without = [replace(e, crystal=None) for e in data.experiments]
    with pytest.raises(InputError, match="index the data first"):
        merge_stills(data.reflections, data.stills, without)


def test_a_missing_column_is_said(data: Simulated) -> None:
    stills = {k: v for k, v in data.stills.items() if k != "wavelength"}
    with pytest.raises(SchemaError, match="wavelength"):
        merge_stills(data.reflections, stills, data.experiments)
