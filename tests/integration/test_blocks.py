"""Blocks of frames add up to the same, however they are cut and in whatever order they meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_frames import experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.integration import IntegrationParameters, blocks
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.result import finish
from dxdask.integration.sums import COUNTS, N_FOREGROUND, N_OVERLAPPED

pytestmark = pytest.mark.jit

BACKGROUND = IntegrationParameters().background


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(cell=(70.0, 75.0, 80.0, 85.0, 95.0, 100.0), n_images=10, n_sigma=3.0))


@pytest.fixture(scope="module")
def context(painted):
    return integration_context(painted.predicted, painted.experiment, IntegrationParameters())


@pytest.fixture(scope="module")
def whole(painted, context):
    return sum_block(painted.frames, 0, context, painted.mask)


def assert_same(a, b):
    for one, other in zip((*a.pairs, *a.footprints), (*b.pairs, *b.footprints), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in set(a.__slots__) - {"pairs", "footprints"}:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_any_size_of_block_gives_the_same(painted, context, whole, size):
    parts = [
        sum_block(painted.frames[i : i + size], i, context, painted.mask)
        for i in range(0, len(painted.frames), size)
    ]
    assert_same(combine_sums(parts, BACKGROUND), whole)
    assert whole.whole.all()


@given(st.permutations(range(10)), st.lists(st.integers(2, 4), min_size=12, max_size=12))
def test_any_tree_of_merges_gives_the_same(painted, context, whole, order, groups):
    parts = [sum_block(painted.frames[i : i + 1], i, context, painted.mask) for i in order]
    for n in groups:
        if len(parts) > 1:
            parts = [*parts[n:], combine_sums(parts[:n], BACKGROUND)]
    assert_same(combine_sums(parts, BACKGROUND), whole)


def test_little_room_for_background_gives_the_same(painted, context, whole, monkeypatch):
    monkeypatch.setattr(blocks, "_BUDGET", 1000)
    assert_same(sum_block(painted.frames, 0, context, painted.mask), whole)


def test_pixels_go_where_a_plain_search_puts_them(painted, context, whole):
    """Owner of each pixel of one frame by distances to all reflections, no boxes, no maps."""
    e, p = painted.experiment, painted.predicted
    f, shapes = 4, context.shapes
    low, high = np.sort(shapes.phi[f : f + 2])
    away = np.maximum(0, np.maximum(low - p["phi_cal_rad"], p["phi_cal_rad"] - high))
    d3 = shapes.shape[:, 3] * away**2
    on = np.flatnonzero(
        (d3 <= 1) & (p["bbox"][:, 4] <= f + shapes.first) & (p["bbox"][:, 5] > f + shapes.first)
    )
    height, width = painted.mask.shape
    y, x = np.mgrid[0 : height + 1, 0 : width + 1].astype(float)
    best, owner = np.full((height, width), 1.0), np.full((height, width), -1)
    inside_of = np.zeros(len(p["d"]), dtype=np.int64)
    for i in on:
        qxx, qxy, qyy, _ = shapes.shape[i]
        dx, dy = x - p["x_cal"][i], y - p["y_cal"][i]
        q = qxx * dx * dx + 2 * qxy * dx * dy + qyy * dy * dy
        d = np.minimum.reduce([q[:-1, :-1], q[:-1, 1:], q[1:, :-1], q[1:, 1:]])
        d[int(p["y_cal"][i]), int(p["x_cal"][i])] = 0.0
        d = d + d3[i]
        inside_of[i] = (d <= 1).sum()
        won = (d <= 1) & ((owner < 0) | (d < best))
        best[won], owner[won] = d[won], i
    one = sum_block(painted.frames[f : f + 1], f, context, painted.mask)
    n = np.bincount(owner[owner >= 0], minlength=len(p["d"]))
    total = np.bincount(owner[owner >= 0], painted.frames[f][owner >= 0], minlength=len(p["d"]))
    np.testing.assert_array_equal(one.sums[:, N_FOREGROUND], n[one.rows])
    np.testing.assert_array_equal(one.sums[:, COUNTS], total[one.rows])
    np.testing.assert_array_equal(one.sums[:, N_OVERLAPPED], (inside_of - n)[one.rows])
    assert one.sums[:, N_OVERLAPPED].sum() > 0
    assert e.profile.n_sigma == 3.0


def test_a_frame_that_cannot_be_read_costs_its_reflections_only(painted, context, whole):
    first = sum_block(painted.frames[:3], 0, context, painted.mask)
    lost = sum_block(
        np.zeros_like(painted.frames[3:6]), 3, context, painted.mask, unreadable={0, 1, 2}
    )
    rest = sum_block(painted.frames[6:], 6, context, painted.mask)
    r = finish(
        combine_sums([first, lost, rest], BACKGROUND),
        painted.predicted,
        context,
        painted.experiment,
    ).reflections
    ref = finish(whole, painted.predicted, context, painted.experiment).reflections
    f0 = context.shapes.first
    touched = (r["bbox"][:, 4] < f0 + 6) & (r["bbox"][:, 5] > f0 + 3)
    assert touched.any()
    assert not touched.all()
    assert not has_flag(select_rows(r, touched & (r["n_invalid"] > 0)), Flag.INTEGRATED_SUM).any()
    np.testing.assert_array_equal(r["intensity_sum"][~touched], ref["intensity_sum"][~touched])
    assert has_flag(r, Flag.INTEGRATED_SUM)[~touched].any()


def select_rows(r, rows):
    return {n: v[rows] for n, v in r.items()}
