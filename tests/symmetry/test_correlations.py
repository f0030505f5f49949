"""Correlations of equivalents: pairs that only the operator relates."""

from __future__ import annotations

import numpy as np
import pytest
from support.simulated_symmetry import Truth, crystals_of

from dxdask.symmetry import symmetry
from dxdask.symmetry.correlations import Merged, fixed_by, pairs_under, sd_factor
from dxdask.symmetry.operators import (
    IDENTITY,
    Rotation,
    closure,
    elements,
    friedel_unique,
    inverse_of,
    keys_of,
    matrix_of,
)

X: Rotation = (1, 0, 0, 0, -1, 0, 0, 0, -1)
Y: Rotation = (-1, 0, 0, 0, 1, 0, 0, 0, -1)
FOUR: Rotation = (0, -1, 0, 1, 0, 0, 0, 0, 1)
SIX: Rotation = (1, -1, 0, 1, 0, 0, 0, 0, 1)
SWAP: Rotation = (0, 1, 0, 1, 0, 0, 0, 0, -1)


def all_indices(most: int = 4) -> Merged:
    grid = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), -1)
    hkl = friedel_unique(grid.reshape(-1, 3).astype(np.int64))
    keys, first = np.unique(keys_of(hkl), return_index=True)
    n = len(keys)
    return Merged(
        keys=keys, hkl=hkl[first], crystal=np.zeros(n, np.int64),
        intensity=np.arange(n, dtype=float), sigma=np.ones(n),
    )  # fmt: skip


@pytest.mark.parametrize("generators", [(X, Y), (FOUR, X), (SIX, SWAP)])
def test_no_other_element_relates_the_reflections_of_a_pair(
    generators: tuple[Rotation, ...],
) -> None:
    lattice, merged = closure(generators), all_indices()
    for w in elements(lattice):
        first, second = pairs_under(merged, w, fixed_by(merged.hkl, lattice))
        of_pair = {
            other for other in lattice - {IDENTITY}
            if (keys_of(friedel_unique(merged.hkl[first] @ matrix_of(other)))
                == merged.keys[second]).any()
        }  # fmt: skip
        assert of_pair <= {w, inverse_of(w)}
        # all pairs that only the element relates are there, each once
        moved = keys_of(friedel_unique(merged.hkl @ matrix_of(w)))
        others = [keys_of(friedel_unique(merged.hkl @ matrix_of(g)))
                  for g in lattice - {w, inverse_of(w), IDENTITY}]  # fmt: skip
        alone = (moved != merged.keys) & np.isin(moved, merged.keys)
        alone &= np.all([k != moved for k in others], axis=0)
        pairs = {frozenset(p) for p in zip(merged.keys[alone], moved[alone], strict=True)}
        found = {frozenset((merged.keys[i], merged.keys[j])) for i, j in
                 zip(first, second, strict=True)}  # fmt: skip
        assert found == pairs
        assert len(found) == len(first)


@pytest.mark.parametrize(
    ("symbol", "cell"),
    [("P 1 2 1", (31.0, 37.0, 43.0, 90.0, 90.0, 90.0)), ("P 6", None), ("P 4", None)],
)
def test_operators_that_are_absent_do_not_correlate(
    symbol: str, cell: tuple[float, ...] | None
) -> None:
    # in the zone hk0 of P 1 2 1 a twofold axis along a relates what that along b does
    result = symmetry(*crystals_of(Truth.of(symbol, cell=cell), keep_axes=True))
    rows = result.table("operators").rows
    assert {r["present"] for r in rows} == {"yes", "no"}
    for row in rows:
        if row["present"] == "no":
            assert abs(row["cc"]) < 4.0 / np.sqrt(row["n"]), row


def test_few_pairs_spread_as_independent_ones() -> None:
    # too few to measure it by
    rng = np.random.default_rng(1)
    assert sd_factor(rng.exponential(size=30), np.arange(30), np.full(30, 3.0)) == 1.0
