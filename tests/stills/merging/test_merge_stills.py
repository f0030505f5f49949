"""Merging of made-up stills: the truth comes back, in any order and by any blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.errors import InputError, SchemaError
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.models.symmetry import asu_indices, is_absent, pack, unpack
from dxdask.stills.columns import Stills
from dxdask.stills.merging import StillsMergingParameters, merge_stills
from dxdask.stills.merging.partiality import partialities
from dxdask.stills.strain import rotations

CELL = (60.0, 60.0, 40.0, 90.0, 90.0, 90.0)
GROUP = gemmi.SpaceGroup("P 43 21 2")
D_MIN = 3.0
RADIUS, TAIL = 4e-4, 0.05


@dataclass(frozen=True)
class Simulated:
    """Integrated stills, and the truth."""

    reflections: Reflections
    stills: Stills
    experiments: ExperimentList
    truth: dict[int, float]
    scale: NDArray[np.float64]
    turns: NDArray[np.float64]


def simulated(
    n: int = 40, *, seed: int = 0, turn: float = 3e-4, stretch: float = 1e-3,
    background: float = 4.0, bright: float = 300.0,
) -> Simulated:  # fmt: skip
    """Return stills of random orientation whose A are wrong by turns (rad) and a stretch."""
    rng = np.random.default_rng(seed)
    m = [int(c / D_MIN) + 1 for c in CELL[:3]]
    hkl = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in m]), -1).reshape(-1, 3)
    b = b_matrix(CELL)
    length = np.linalg.norm(hkl @ b.T, axis=1)
    hkl = hkl[(length > 0) & (length < 1 / D_MIN)].astype(np.int32)
    hkl = hkl[~is_absent(hkl, GROUP)]
    keys = pack(asu_indices(hkl, GROUP)[0])
    unique = np.unique(keys)
    s2 = np.array([0.5 * np.sum((b @ h) ** 2) for h in unpack(unique)])
    full = rng.exponential(1.0, len(unique)) * np.exp(-10 * s2) * bright
    u = rotations(rng.normal(0, 2, (n, 3)))
    turns = np.concatenate([rng.normal(0, turn, (n, 2)), np.zeros((n, 1))], axis=1)
    wavelength = 1.3 * (1 + rng.normal(0, 1e-3, n))
    scale, radius = np.exp(rng.normal(0, 0.5, n)), RADIUS * np.exp(rng.normal(0, 0.15, n))
    tables = []
    for i in range(n):
        q = hkl @ (u[i] @ b).T
        off = np.linalg.norm(q + [0, 0, -1 / wavelength[i]], axis=1) - 1 / wavelength[i]
        near = np.abs(off) < 1.6e-3
        p = partialities(off[near] / radius[i], TAIL)
        model = scale[i] * p * full[np.searchsorted(unique, keys[near])]
        counts = rng.poisson(model + background) - background
        k = len(counts)
        tables.append({
            "experiment": np.zeros(k, np.int32), "z": np.full(k, i + 0.5), "hkl": hkl[near],
            "flags": np.full(k, Flag.INTEGRATED_SUM, np.uint32), "intensity_sum": counts,
            "intensity_sum_variance": np.maximum(counts, 0) + background,
        })  # fmt: skip
    reflections = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    wrong = rotations(-turns) @ u @ b / (1 + stretch)
    stills = {
        "experiment": np.zeros(n, np.int32), "image": np.arange(n, dtype=np.int32),
        "wavelength": wavelength, "indexed": np.ones(n, np.bool_), "a_matrix": wrong,
    }  # fmt: skip
    experiment = Experiment(
        identifier="a", run="a", beam=Beam(wavelength=1.3), detector=Detector(panels=()),
        crystal=Crystal.from_cell(CELL, space_group="P 43 21 2"),
    )  # fmt: skip
    truth = dict(zip(unique.tolist(), full.tolist(), strict=True))
    return Simulated(reflections, stills, [experiment], truth, scale, turns)


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
    cc, z = against_truth(merged.result.reflections, data)
    assert cc > 0.98
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.3


def test_stills_come_back(data: Simulated) -> None:
    merged = merge_stills(data.reflections, data.stills, data.experiments)
    scale = merged.stills["scale"]
    assert np.corrcoef(np.log(scale), np.log(data.scale))[0, 1] > 0.99
    before = _misset(data.stills["a_matrix"], data)
    after = _misset(merged.stills["a_matrix"], data)
    assert np.median(after) < 0.35 * np.median(before)


def _misset(a: NDArray[np.float64], data: Simulated) -> NDArray[np.float64]:
    """Return how far A (n, 3, 3) are from the truth across the beam, as relative lengths."""
    right = rotations(data.turns) @ data.stills["a_matrix"] * (1 + 1e-3)
    off = a @ np.linalg.inv(right) - np.eye(3)
    return np.hypot(off[:, 1, 2] - off[:, 2, 1], off[:, 0, 2] - off[:, 2, 0])


def test_any_order_of_rows_gives_the_same(data: Simulated) -> None:
    rows = np.random.default_rng(1).permutation(len(data.reflections["z"]))
    shuffled = {k: v[rows] for k, v in data.reflections.items()}
    one = merge_stills(data.reflections, data.stills, data.experiments).result.reflections
    other = merge_stills(shuffled, data.stills, data.experiments).result.reflections
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_min_partiality_leaves_out_what_is_hardly_recorded(data: Simulated) -> None:
    few, all_of_them = (
        merge_stills(
            data.reflections, data.stills, data.experiments,
            StillsMergingParameters(min_partiality=p),
        ).result.table("overall").rows[0]
        for p in (0.5, 0.02)
    )  # fmt: skip
    assert few["n_obs"] < 0.6 * all_of_them["n_obs"]
    assert few["cc_half"] > all_of_them["cc_half"]


def test_without_the_prior_intensities_may_be_negative(data: Simulated) -> None:
    merged = merge_stills(
        data.reflections, data.stills, data.experiments, StillsMergingParameters(prior="none")
    )
    table = merged.result.reflections
    assert (table["intensity"] < 0).any()
    with_prior = merge_stills(data.reflections, data.stills, data.experiments).result.reflections
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
