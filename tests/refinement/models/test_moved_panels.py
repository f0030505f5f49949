"""Parts of a detector moved at once, beside panels moved one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dxdask.models import Detector, Panel
from dxdask.models.detector import Group
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import rotation_matrix, vector
from dxdask.refinement.models.detector_parts import moved, part_moves, parts_of


def detector(seed: int, n_groups: int = 3, n_panels: int = 4) -> Detector:
    """Return panels in groups, each rotated and shifted by chance."""
    rng = np.random.default_rng(seed)
    panels = []
    for i in range(n_groups * n_panels):
        turn = rotation_matrix(rng.normal(size=3), rng.normal(scale=0.1))
        panels.append(
            Panel(
                name=f"p{i}", origin=vector(rng.normal(scale=50.0, size=3) - [0.0, 0.0, 200.0]),
                fast_axis=vector(turn[0]), slow_axis=vector(turn[1]), pixel_size=(0.1, 0.2),
                image_size=(30 + i, 40),
            )
        )  # fmt: skip
    groups = tuple(
        Group(name=f"g{k}", panels=tuple(range(k * n_panels, (k + 1) * n_panels)))
        for k in range(n_groups)
    )
    return Detector(panels=tuple(panels), root=Group(groups=groups))


def one_by_one(given: Detector, moves) -> tuple[Panel, ...]:
    panels = list(given.panels)
    for part, move in moves:
        axes, pivot = part.frame(replace(given, panels=tuple(panels)))
        rotation = rotation_matrices(move[None, 3:] @ axes)[0]
        for i in part.panels:
            panels[i] = panels[i].moved(rotation, move[:3] @ axes, about=pivot)
    return tuple(panels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1e-4, 0.05]))
def test_parts_move_as_their_panels_do(seed, size):
    made, rng = detector(seed), np.random.default_rng(seed + 1)
    moves = [(p, rng.normal(scale=size, size=6)) for p in parts_of(made, None)]
    found, wanted = moved(made, moves).panels, one_by_one(made, moves)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.d_matrix, b.d_matrix, rtol=0, atol=1e-11)
        assert replace(a, origin=b.origin, fast_axis=b.fast_axis, slow_axis=b.slow_axis) == b


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_moves_of_panels_are_the_differences_of_moved_ones(seed):
    made = detector(seed)
    for part in parts_of(made, None):
        expected = part_moves(made, part)
        for k in range(3):
            step = np.zeros(6)
            step[k] = 0.5
            after = moved(made, [(part, step)])
            for i, (panel, then) in enumerate(zip(made.panels, after.panels, strict=True)):
                shift = panel.axes @ (then.centre - panel.centre)
                np.testing.assert_allclose(shift, 0.5 * expected[i, :3, k], atol=1e-10)


def test_groups_follow_their_panels_as_rigid_bodies():
    made = detector(3)
    whole = parts_of(made, None)[0]
    after = moved(made, [(whole, np.array([1.0, -2.0, 3.0, 0.01, 0.02, 0.03]))])
    turn = np.array([after[0].fast_axis, after[0].slow_axis, after[0].normal]).T @ made[0].axes
    for group, then in zip(made.root.groups, after.root.groups, strict=True):
        np.testing.assert_allclose(then.fast_axis, turn @ group.fast_axis, atol=1e-10)
