"""Moves of modules: recovered, with honest errors; significant where there are, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from support.module_cases import QUIET, SIDE, SYSTEMATIC, Errors, blocks, grid

from dxdask.errors import InputError
from dxdask.refinement.modules.moves import fit_moves
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.significance import significance_of_moves, sizes_of

DEFAULT = ModuleParameters()
MOVED = np.zeros((4, 3))
MOVED[2] = (1.5, -0.3, 0.8)


def test_moves_are_recovered() -> None:
    found, how = significance_of_moves(blocks(1, moves=MOVED), grid(2), DEFAULT)
    # the others did not move
    z = (how.moves[2] - MOVED[2]) / how.errors[2]
    assert np.abs(z).max() < 4.0
    assert np.abs(how.moves[2] - MOVED[2]).max() < 0.15
    assert how.significant[2]
    assert how.chance[2] < 1e-8
    np.testing.assert_allclose(found.n @ found.values, 0.0, atol=1e-5 * found.n.sum())


def test_exact_residuals_give_exact_moves() -> None:
    made = blocks(1, moves=MOVED, errors=Errors(spot=0.0, spurious=0.0))
    _, how = significance_of_moves(made, grid(2), DEFAULT)
    np.testing.assert_allclose(how.moves[2], MOVED[2], atol=1e-4)


@pytest.mark.parametrize(("errors", "most"), [(QUIET, 1.3), (SYSTEMATIC, 2.0)])
def test_errors_are_honest(errors: Errors, most: float) -> None:
    z = []
    for seed in range(15):
        _, how = significance_of_moves(blocks(seed, moves=MOVED, errors=errors), grid(2), DEFAULT)
        z.append((how.moves[2] - MOVED[2]) / how.errors[2])
    assert 0.7 < np.std(z) < most


def alarms(errors: Errors, n: int, seeds: range) -> tuple[int, int]:
    """Numbers of detectors whose modules did not move: reported as moved, and of a chance below
    0.05.
    """
    found = [
        significance_of_moves(blocks(seed, n, errors=errors), grid(n), DEFAULT)[1] for seed in seeds
    ]
    return sum(how.any for how in found), sum(how.chance.min() < 0.05 for how in found)


@pytest.mark.parametrize("errors", [QUIET, SYSTEMATIC], ids=["quiet", "systematic"])
def test_no_false_alarms(errors: Errors) -> None:
    assert alarms(errors, 2, range(12))[0] == 0


@pytest.mark.slow
def test_rate_of_false_alarms() -> None:
    reported, by_chance = alarms(QUIET, 2, range(100))
    assert reported == 0
    assert by_chance <= 11
    assert alarms(SYSTEMATIC, 2, range(100))[0] <= 1
    assert alarms(SYSTEMATIC, 4, range(40))[0] <= 1


@pytest.mark.parametrize(
    ("errors", "move"), [(QUIET, 0.12), (SYSTEMATIC, 0.3)], ids=["quiet", "systematic"]
)
def test_power(errors: Errors, move: float) -> None:
    moves = np.zeros((4, 3))
    moves[1, 0] = move
    found = [
        significance_of_moves(blocks(100 + i, moves=moves, errors=errors), grid(2), DEFAULT)[1]
        for i in range(10)
    ]
    assert sum(bool(how.significant[1]) for how in found) >= 9


def test_small_moves_are_not_significant() -> None:
    moves = np.zeros((4, 3))
    moves[1, 0] = 0.04
    made = blocks(3, moves=moves, errors=Errors(spot=0.01), n_spots=4000)
    _, how = significance_of_moves(made, grid(2), DEFAULT)
    assert how.chance[1] < 1e-4
    assert not how.any
    _, how = significance_of_moves(made, grid(2), ModuleParameters(min_shift=0.03))
    assert how.significant.tolist() == [False, True, False, False]


def test_one_half_alone_moves_nothing() -> None:
    parts = zip(blocks(5, moves=MOVED), blocks(5), strict=True)
    made = [a._replace(off=np.where((a.stretch % 2 == 0)[:, None], a.off, b.off)) for a, b in parts]
    _, how = significance_of_moves(made, grid(2), DEFAULT)
    assert not how.halves[2] <= 1.0
    assert not how.any


def test_order_does_not_matter() -> None:
    made = blocks(7, moves=MOVED, n_spots=500)
    rng = np.random.default_rng(1)
    mixed = [b.of(rng.permutation(len(b.module))) for b in made[::-1]]
    one, other = fit_moves(made, grid(2)), fit_moves(mixed, grid(2))
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    np.testing.assert_allclose(one.errors, other.errors, rtol=1e-6)


def test_rotated_module_has_its_own_axes() -> None:
    layout = grid(2)
    axes = layout.axes.copy()
    axes[1] *= -1
    flipped = layout._replace(axes=axes)
    made = blocks(8, moves=MOVED)
    turned = []
    for b in made:
        sign = np.where(b.module == 1, -1.0, 1.0)[:, None]
        off = np.column_stack([b.off[:, :2] * sign, b.off[:, 2]])
        three = sign[:, :, None]
        changes = np.concatenate([b.changes[:, :2] * three, b.changes[:, 2:]], axis=1)
        turned.append(
            b._replace(off=off, place=b.place * sign, changes=changes, smooth=b.smooth * three)
        )
    _, one = significance_of_moves(made, layout, DEFAULT)
    _, other = significance_of_moves(turned, flipped, DEFAULT)
    expected = one.moves.copy()
    expected[1, :2] *= -1
    np.testing.assert_allclose(other.moves, expected, atol=1e-3)
    np.testing.assert_allclose(other.chance, one.chance, rtol=0.02, atol=1e-30)


def test_size_of_a_rotation() -> None:
    rng = np.random.default_rng(2)
    xy = rng.uniform(-SIDE / 2, SIDE / 2, (200000, 2))
    turned = 2e-3 * np.stack([-xy[:, 1], xy[:, 0]], axis=1)
    expected = np.sqrt((turned**2).sum(axis=1).mean())
    found = sizes_of(np.array([[0.0, 0.0, 2.0]]), np.full((1, 2), float(SIDE)))
    assert found[0] == pytest.approx(expected, rel=0.01)


def test_a_module_without_reflections() -> None:
    made = [b.of(b.module != 3) for b in blocks(1)]
    with pytest.raises(InputError, match="a module has no reflection"):
        fit_moves(made, grid(2))
