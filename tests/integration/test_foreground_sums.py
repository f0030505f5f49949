"""Sums over the foreground beside a plain loop, for every way in which a kernel reads pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment, paint

from dxdask.integration import IntegrationParameters
from dxdask.integration import sums as names
from dxdask.integration.blocks import sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.foreground import phi_term, xy_term
from dxdask.integration.gaussian import fill_weights, rotated_fraction

pytestmark = pytest.mark.jit

HIGH = 60000
COMPARED = {
    n: getattr(names, n)
    for n in (
        "N_FRAMES", "N_FOREGROUND", "N_INVALID", "N_SATURATED", "N_BACKGROUND_BAD", "COUNTS",
        "COUNTS_X", "COUNTS_Y", "COUNTS_Z", "PIXELS_X", "PIXELS_Y", "PIXELS_Z", "PROFILE",
        "FITTED", "FITTED_2", "FITTED_3", "FITTED_COUNTS", "FITTED_OWN",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(cell=(25.0, 27.0, 30.0, 90.0, 90.0, 90.0), n_images=4))


def plain_sums(frame, mask, shapes, z, rows, low):
    """Return sums, background values and their owner of reflections that share no pixel."""
    inner, box, panel = shapes.inner, shapes.box, shapes.panel
    phi = shapes.phi[z - shapes.first : z - shapes.first + 2]
    covered, found, pixels = np.zeros(mask.shape, bool), {}, {}
    for r in rows:
        d3, fraction = phi_term(shapes, r, phi), rotated_fraction(shapes, r, phi)
        x0, x1, y0, y1 = inner[r]
        weights = np.empty((y1 - y0) * (x1 - x0), np.int32)
        fill_weights(np.array([r]), shapes, np.zeros(1, np.int64), weights)
        s, at = dict.fromkeys(COMPARED, 0) | {"N_FRAMES": 1}, -1
        for y in range(y0, y1):
            for x in range(x0, x1):
                at += 1
                if d3 > 1.0 or xy_term(shapes, r, x, y) + d3 > 1.0:
                    continue
                w = int(weights[at] * fraction + 0.5)
                s["PROFILE"] += w
                if not (panel[r, 0] <= x < panel[r, 1] and panel[r, 2] <= y < panel[r, 3]):
                    s["N_INVALID"] += 1
                    continue
                covered[y, x], v = True, int(frame[y, x])
                if not (mask[y, x] and v > low):
                    s["N_INVALID"] += 1
                    continue
                s["N_FOREGROUND"] += 1
                moments = {"X": x - box[r, 0], "Y": y - box[r, 2], "Z": z - box[r, 4]}
                s["COUNTS"] += v
                for axis, moment in moments.items():
                    s[f"COUNTS_{axis}"] += v * moment
                    s[f"PIXELS_{axis}"] += moment
                if v >= HIGH:
                    s["N_SATURATED"] += 1
                    continue
                s["FITTED"] += w
                s["FITTED_OWN"] += w
                s["FITTED_2"] += w**2
                s["FITTED_3"] += w**3
                s["FITTED_COUNTS"] += w * v
        found[r] = s
    for r in rows:
        part = tuple(
            slice(max(box[r, k], panel[r, k]), min(box[r, k + 1], panel[r, k + 1])) for k in (2, 0)
        )
        v, free = frame[part], ~covered[part]
        usable = free & mask[part] & (v > low) & (v < HIGH)
        found[r]["N_BACKGROUND_BAD"] = int(free.sum() - usable.sum())
        pixels[r] = np.unique(v[usable], return_counts=True)
    return found, pixels


@pytest.mark.parametrize("background", [0.3, 300.0], ids=["bins", "counts"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("low", [-1, -3, 2])
def test_sums_are_those_of_a_plain_loop(painted, background, dtype, low):
    """Frames with few and many counts, bright, negative and masked pixels, and panels' edges."""
    (old,) = painted.experiment.detector.panels
    panel = replace(old, trusted_range=(float(low), float(HIGH)))
    detector = replace(painted.experiment.detector, panels=(panel,))
    e = replace(painted.experiment, detector=detector)
    context = integration_context(painted.predicted, e, IntegrationParameters())
    rng = np.random.default_rng(3)
    frame = rng.poisson(background, painted.mask.shape).astype(dtype)
    some = rng.random(frame.shape) < 0.02
    frame[some] = rng.choice([63, 64, 500, HIGH - 1, HIGH, HIGH + 5], some.sum())
    if dtype is np.int32:
        frame[rng.random(frame.shape) < 0.01] = -2
    mask = painted.mask & (rng.random(frame.shape) > 0.01)
    sums = sum_block(frame[None], 1, context, mask)
    shapes, z = context.shapes, context.shapes.first + 1
    rows = np.flatnonzero((shapes.box[:, 4] <= z) & (shapes.box[:, 5] > z))
    np.testing.assert_array_equal(sums.rows, rows)
    found, pixels = plain_sums(frame, mask, shapes, z, rows, low)
    alone = sums.sums[:, names.N_OVERLAPPED] == 0
    alone &= ~np.isin(rows, np.concatenate([sums.pairs.first, sums.pairs.second]))
    assert alone.sum() > 20
    assert sums.sums[:, names.N_INVALID].any()
    for place in np.flatnonzero(alone):
        r = rows[place]
        here = {n: int(sums.sums[place, k]) for n, k in COMPARED.items()}
        assert here == found[r]
        if not sums.whole[place]:
            own = slice(*sums.offsets[place : place + 2])
            np.testing.assert_array_equal(sums.values[own], pixels[r][0])
            np.testing.assert_array_equal(sums.counts[own], pixels[r][1])
