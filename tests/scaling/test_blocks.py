"""Blocks of the normal equations against the normal matrix, formed plainly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dxdask.arrays import Floats
from dxdask.scaling import blocks
from dxdask.scaling.blocks import Blocks
from dxdask.scaling.design import Design
from dxdask.scaling.fit import fit_scales

pytestmark = pytest.mark.jit
N_RUNS, N_POINTS, N_DENSE = 3, 4, 5
OWNERS = np.concatenate(
    [np.repeat(np.arange(N_RUNS), n) for n in (N_POINTS, N_DENSE)], dtype=np.int32
)
RESTRAINT = np.full(len(OWNERS), 0.3)


def made_up(seed: int = 1) -> tuple[np.ndarray, Floats, Design]:
    """Return offsets of groups of one to six, of three runs, curvatures and the design."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 7, 120))])
    n = int(offsets[-1])
    run = rng.integers(0, N_RUNS, n)
    point = rng.integers(0, N_POINTS - 1, n)
    part = rng.random(n)
    index = np.stack([N_POINTS * run + point, N_POINTS * run + point + 1], axis=1).astype(np.int32)
    absorbing = run < 2  # the last run has no absorption
    first = np.where(absorbing, N_RUNS * N_POINTS + N_DENSE * run, -1).astype(np.int32)
    dense = np.where(absorbing[:, None], rng.normal(0, 0.3, (n, N_DENSE)), 0.0)
    design = Design(
        index=index,
        value=np.stack([1.0 - part, part], axis=1),
        first=first,
        dense=dense.astype(np.float32),
    )
    curvature = rng.exponential(5.0, n)
    curvature[rng.random(n) < 0.1] = 0.0
    alone = np.repeat(np.diff(offsets) == 1, np.diff(offsets))
    return offsets, np.where(alone, 0.0, curvature), design


def rows_of(design: Design) -> Floats:
    out = np.zeros((len(design.index), len(OWNERS)))
    for i, row in enumerate(out):
        np.add.at(row, design.index[i], design.value[i])
        if design.first[i] >= 0:
            row[design.first[i] :][:N_DENSE] += design.dense[i]
    return out


def normal_matrix(offsets: np.ndarray, curvature: Floats, design: Design) -> Floats:
    x, out = rows_of(design), np.diag(RESTRAINT)
    for start, stop in pairwise(offsets):
        c = curvature[start:stop]
        if c.sum() > 0.0:
            left = x[start:stop] - c @ x[start:stop] / c.sum()
            out += left.T @ (c[:, None] * left)
    return out


def test_few_parameters_are_one_block_the_normal_matrix() -> None:
    offsets, curvature, design = made_up()
    found = Blocks(OWNERS)
    found.update(offsets, curvature, design, RESTRAINT, 1e-6)
    v = np.random.default_rng(2).normal(size=len(OWNERS))
    right = normal_matrix(offsets, curvature, design) @ v + found.added * v
    np.testing.assert_allclose(found.solve(right), v, rtol=1e-7)


def test_the_normal_matrix_does_not_depend_on_how_many_groups_are_summed_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offsets, curvature, design = made_up()
    several, one = Blocks(OWNERS), Blocks(OWNERS)
    one.update(offsets, curvature, design, RESTRAINT, 1e-6)
    monkeypatch.setattr(blocks, "_MOST_SUMS", 7 * len(OWNERS))
    several.update(offsets, curvature, design, RESTRAINT, 1e-6)
    np.testing.assert_allclose(several.inverse, one.inverse, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("largest", [0, 512])
def test_the_damping_is_relative_to_the_sums_of_squares(
    monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(blocks, "LARGEST_WHOLE", largest)
    offsets, curvature, design = made_up()
    found = Blocks(OWNERS)
    found.update(offsets, curvature, design, RESTRAINT, 0.01)
    squares = curvature @ rows_of(design) ** 2 + RESTRAINT
    np.testing.assert_allclose(found.added, 0.01 * squares, rtol=1e-9)


def test_a_fit_does_not_depend_on_its_preconditioner(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets, _, design = made_up()
    rng = np.random.default_rng(3)
    n, m = len(design.index), len(OWNERS)
    g = design.scales(rng.normal(0.0, 0.2, m))
    intensity = g * np.repeat(rng.exponential(100.0, len(offsets) - 1), np.diff(offsets))
    intensity += rng.normal(0.0, 1.0, n)
    found = {}
    for largest in (0, 512):
        monkeypatch.setattr(blocks, "LARGEST_WHOLE", largest)
        found[largest] = fit_scales(
            offsets,
            np.ones(n),
            intensity,
            design,
            np.zeros(m),
            owners=OWNERS,
            restraint=RESTRAINT,
            tolerance=1e-12,
        )
    # the data do not determine the mean scale
    relative = [f.scales / np.exp(np.log(f.scales).mean()) for f in found.values()]
    np.testing.assert_allclose(*relative, rtol=1e-6)
    assert found[0].costs[-1] == pytest.approx(found[512].costs[-1], rel=1e-9)
