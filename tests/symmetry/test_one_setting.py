"""Several crystals: those of one form, brought to one setting and to a space group."""

from __future__ import annotations

import numpy as np
import pytest
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Flag
from dxdask.errors import InputError
from dxdask.models.symmetry import asu_indices, pack
from dxdask.results import StepResult
from dxdask.symmetry import SymmetryParameters, symmetry

FLIPS = [np.eye(3), np.diag([1.0, -1.0, -1.0])]
CUBIC_FLIPS = [np.eye(3), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])]


def correlation_with_truth(result: StepResult, values: np.ndarray, truth: Truth) -> float:
    """Return the correlation of observed with true intensities at the indices of the result."""
    true = truth.intensities(result.reflections["hkl"])
    return float(np.corrcoef(true, values)[0, 1])


def test_unlike_cells_are_refused() -> None:
    one, a = crystals_of(Truth.of("P 2 2 2", d_min=5.0))
    other, b = crystals_of(Truth.of("P 3", d_min=5.0))
    other["experiment"] = other["experiment"] + np.int32(1)
    table = {k: np.concatenate([one[k], other[k]]) for k in one}
    with pytest.raises(InputError, match="one form"):
        symmetry(table, type(a).of([*a, *b]))


def test_wedges_of_two_forms_are_brought_to_one_setting() -> None:
    truth, other = Truth.of("P 4", seed=1), Truth.of("P 4", seed=2)
    flip = np.diag([1.0, -1.0, -1.0])
    settings = [flip if i % 3 else np.eye(3) for i in range(20)]
    table, a = crystals_of(truth, n=20, width=6.0, settings=settings)
    rows, b = crystals_of(other, n=4, width=6.0, seed=7)
    rows["experiment"] = rows["experiment"] + np.int32(20)
    table = {k: np.concatenate([table[k], rows[k]]) for k in table}
    experiments = type(a).of([*a, *b])
    result = symmetry(table, experiments)
    assert [r["form"] for r in result.table("forms").rows] == [1] * 20 + [2] * 4
    assert result.table("laue_groups").rows[0]["group"] == "P 4"
    used = np.any(result.reflections["hkl"] != 0, axis=1)
    np.testing.assert_array_equal(used, table["experiment"] < 20)
    asu, _ = asu_indices(result.reflections["hkl"][used], truth.group)
    _, row = np.unique(pack(asu), return_inverse=True)
    observed = table["intensity_sum"][used]
    mean = (np.bincount(row, observed) / np.bincount(row))[row]
    assert np.corrcoef(mean, observed)[0, 1] > 0.98
    second = symmetry(table, experiments, SymmetryParameters(cosym={"form": 2}))
    used = np.any(second.reflections["hkl"] != 0, axis=1)
    np.testing.assert_array_equal(used, table["experiment"] >= 20)
    with pytest.raises(InputError, match="of 2 forms"):
        symmetry(table, experiments, SymmetryParameters(cosym={"form": 3}))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_crystals_does_not_matter(seed: int) -> None:
    truth = Truth.of("P 4")
    flip = np.diag([1.0, -1.0, -1.0])
    settings = [flip if i % 3 else np.eye(3) for i in range(12)]
    table, experiments = crystals_of(truth, n=12, width=8.0, settings=settings)
    order = np.random.default_rng(seed).permutation(12)
    place = np.argsort(order).astype(np.int32)
    mixed = {**table, "experiment": place[table["experiment"]]}
    one = symmetry(table, experiments)
    other = symmetry(mixed, type(experiments).of([experiments[int(i)] for i in order]))
    for name in ("laue_groups", "space_groups"):
        a, b = one.table(name).rows[0], other.table(name).rows[0]
        assert [v for v in a.values() if isinstance(v, str)][:2] == [
            v for v in b.values() if isinstance(v, str)
        ][:2]
    # the setting is that of the first crystal: all or none of the indices are turned
    first, second = one.reflections["hkl"], other.reflections["hkl"]
    same = [
        (pack(asu_indices(first, truth.group)[0]) == pack(asu_indices(h, truth.group)[0])).all()
        for h in (second, second @ flip.astype(np.int32))
    ]
    assert any(same)


@pytest.mark.parametrize(
    ("symbol", "flips"), [("P 4", FLIPS), ("P 21 3", CUBIC_FLIPS), ("P 31", FLIPS[:1])]
)
def test_crystals_of_a_given_group_are_brought_to_one_setting(
    symbol: str, flips: list[np.ndarray]
) -> None:
    truth = Truth.of(symbol)
    n = 6
    # of the hexagonal lattice each crystal is turned in one of the ways that P 31 allows
    if symbol == "P 31":
        sixfold = np.array([[1.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        flips = [np.eye(3), sixfold, np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])]
    turns = [flips[(i + i // 2) % len(flips)] for i in range(n)]
    table, experiments = crystals_of(truth, n=n, width=25.0, settings=turns, keep_axes=True)
    result = symmetry(table, experiments, SymmetryParameters(known_space_group=symbol))
    (group,) = {c.gemmi_space_group.number for c in result.experiments.crystals}
    assert group == truth.group.number
    first = table["experiment"] == 0
    np.testing.assert_array_equal(result.reflections["hkl"][first], table["hkl"][first])
    assert correlation_with_truth(result, table["intensity_sum"], truth) > 0.99
    (line,) = [m for m in result.messages if "as given" in m]
    turned = sum(not np.array_equal(t, turns[0]) for t in turns)
    assert f"{turned} of {n} crystals" in line


def test_a_given_group_of_the_whole_lattice_needs_no_intensities() -> None:
    table, experiments = crystals_of(Truth.of("P 4 2 2"), n=3, width=10.0, keep_axes=True)
    table["intensity_sum"] *= 0.0
    result = symmetry(table, experiments, SymmetryParameters(known_space_group="P 4 2 2"))
    np.testing.assert_array_equal(result.reflections["hkl"], table["hkl"])


def test_a_given_group_without_intensities_to_choose_by_is_refused() -> None:
    table, experiments = crystals_of(Truth.of("P 4"), n=3, width=10.0, keep_axes=True)
    table["flags"] &= ~np.uint32(Flag.INTEGRATED_SUM)
    with pytest.raises(InputError, match="check the summary of integrate"):
        symmetry(table, experiments, SymmetryParameters(known_space_group="P 4"))
