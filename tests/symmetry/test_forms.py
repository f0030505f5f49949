"""Crystals of one lattice told apart by form, and brought to one setting."""

from __future__ import annotations

import numpy as np
import pytest
from support.rand_index import adjusted_rand
from support.simulated_symmetry import Truth, crystals_of

from dxdask.indexing.common_setting import common_setting
from dxdask.symmetry.forms import Forms, find_forms
from dxdask.symmetry.intensities import spacings_of, usable_intensities
from dxdask.symmetry.lattice_group import laue_groups
from dxdask.symmetry.normalise import normalise
from dxdask.symmetry.operators import (
    coset_representatives,
    matrix_of,
    normal_core,
    product,
    rotation_of,
)
from dxdask.symmetry.pair_correlations import intensities_of_choices, neighbours
from dxdask.symmetry.preparation import in_common_axes


def mixed_wedges(
    symbol: str, n: int, n_other: int, *, width: float, most: int | None, seed: int = 1
) -> tuple[Forms, np.ndarray, np.ndarray, tuple[int, ...]]:
    """Return the forms found, the true ones, and the coset that each crystal is truly in."""
    truth, other = Truth.of(symbol, seed=1), Truth.of(symbol, seed=2)
    rng = np.random.default_rng(seed)
    crystal = crystals_of(truth, n=1)[1].crystals[0]
    reduced = common_setting([crystal]).reduced
    groups = laue_groups(reduced, 2.0, (np.eye(3), "P"))
    lattice = groups[-1].rotations
    (own,) = [g for g in groups if g.group.laue_str() == truth.group.laue_str()][:1]
    cosets = coset_representatives(lattice, normal_core(own.rotations, lattice))
    mixed = rng.integers(0, len(cosets), n)
    changes = [matrix_of(cosets[m]).astype(float) for m in mixed]
    first = crystals_of(truth, n=n - n_other, width=width, most=most, settings=None)
    second = crystals_of(other, n=n_other, width=width, most=most, seed=9) if n_other else None
    table, experiments = first
    if second is not None:
        rows = second[0]
        rows["experiment"] = rows["experiment"] + np.int32(n - n_other)
        table = {k: np.concatenate([table[k], rows[k]]) for k in table}
        experiments = type(experiments).of([*experiments, *second[1]])
    observed = usable_intensities(table, experiments, 0.4)
    common = common_setting(experiments.crystals)
    data = in_common_axes(observed, common)
    data = normalise(data, spacings_of(data.hkl, common.reduced), "quasi")
    turned = np.einsum("ni,nij->nj", data.hkl, np.array(changes)[data.crystal])
    data = type(data)(
        hkl=np.rint(turned).astype(np.int64), crystal=data.crystal, experiment=data.experiment,
        z=data.z, intensity=data.intensity, sigma=data.sigma,
    )  # fmt: skip
    core = normal_core(own.rotations, lattice)
    choices = intensities_of_choices(data, n, cosets, core)
    forms = find_forms(choices, core, most=24, min_pairs=3, min_form_cc=0.5)
    number = {product(g, c): i for i, c in enumerate(cosets) for g in core}
    # the axes of equal length that each crystal was given by rounding, then mixed, then chosen
    back = np.linalg.inv(common.changes[0])
    given = [rotation_of(back @ change) for change in common.changes]
    result = np.array([
        number[product(product(w, cosets[m]), cosets[c])]
        for w, m, c in zip(given, mixed, forms.choice, strict=True)
    ])  # fmt: skip
    return forms, np.arange(n) >= n - n_other, result, tuple(range(len(cosets)))


@pytest.mark.parametrize(
    ("symbol", "n", "n_other", "width", "most"),
    [
        ("P 4", 2, 0, 20.0, None),
        ("P 4", 30, 0, 3.0, None),
        ("P 3", 40, 0, 5.0, None),
        ("P 6", 100, 10, 5.0, 1000),
        ("P 2 3", 60, 12, 5.0, None),
        ("P 2 2 2", 20, 0, 5.0, None),
    ],
)
def test_one_setting_and_forms(
    symbol: str, n: int, n_other: int, width: float, most: int | None
) -> None:
    forms, true, cosets, _ = mixed_wedges(symbol, n, n_other, width=width, most=most)
    assert adjusted_rand(forms.form, true) >= 0.95
    for f in np.unique(forms.form):
        assert len(set(cosets[forms.form == f])) == 1, (f, cosets[forms.form == f])


@pytest.mark.parametrize(("n", "most"), [(2, 10), (8, 10), (200, 10), (1000, 24)])
def test_pairs_grow_as_the_crystals_and_connect_them(n: int, most: int) -> None:
    pairs = neighbours(n, most)
    assert len(pairs) <= n * (most // 2 + 1)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    reached = {0}
    links = {i: set(pairs[pairs[:, 0] == i, 1]) | set(pairs[pairs[:, 1] == i, 0]) for i in range(n)}
    while more := set().union(*(links[i] for i in reached)) - reached:
        reached |= more
    assert len(reached) == n
