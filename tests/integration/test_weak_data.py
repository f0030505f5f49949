"""Errors of intensities on weak data are what their variances say, in every tenth of intensity."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.painted_frames import Painted, gaussian, paint
from support.weak_data import Errors, errors, local, spaced, spread

from dxdask.columns import Flag, has_flag
from dxdask.integration import integrate

pytestmark = pytest.mark.jit
N_FRAMES_SETS = 8


@cache
def tables(background: float, gap: bool = False) -> tuple[Painted, tuple]:
    """Return what was painted, and the reflections of several sets of frames of it."""
    e = spaced()
    p = paint(e, mean=60.0, background=np.full((280, 300), background))
    if gap:
        mask = p.mask.copy()
        mask[130:147] = False
        mask[:, 200:208] = False
        mask[::37, ::41] = False
        p = replace(p, mask=mask)
    rng = np.random.default_rng(11)
    made = []
    for _ in range(N_FRAMES_SETS):
        frames = rng.poisson(p.expected).astype(np.uint16)
        # pixels that are not used hold anything
        frames[:, ~p.mask] = 0
        made.append(integrate(frames, p.mask, p.experiment, p.predicted, local=local()).reflections)
    return p, tuple(made)


def check(e: Errors) -> None:
    """Assert that errors are honest, with three standard errors of a tenth's values added."""
    for z in e.tenths():
        n = len(z)
        assert abs(z.mean()) < 0.1 + 1.0 / np.sqrt(n)
        assert 0.95 - 3.0 / np.sqrt(n) < spread(z) < 1.05 + 3.0 / np.sqrt(n)
        assert 0.93 < z.std() < 1.07
    assert abs(e.z.mean()) < 0.03 + 2.0 / np.sqrt(len(e.z))
    # counts are skewed where there are few: their robust spread is below 1
    assert 0.95 < spread(e.z) < 1.05


@pytest.mark.parametrize("kind", ["sum", "profile", "combine"])
@pytest.mark.parametrize("background", [0.02, 0.05, 0.2, 1.0, 10.0])
def test_errors_on_a_flat_background(background, kind):
    made = tables(background)
    found = np.mean([r["background_mean"].mean() for r in made[1]])
    np.testing.assert_allclose(found, background, rtol=0.03)
    check(errors(made, kind))


@pytest.mark.parametrize("kind", ["sum", "profile", "combine"])
@pytest.mark.parametrize("background", [0.05, 1.0])
def test_errors_beside_gaps_and_masked_pixels(background, kind):
    p, made = tables(background, gap=True)
    e = errors((p, made), kind)
    near = (np.abs(e.y - 138.5) < 8.5 + 9.0) | (np.abs(e.x - 204.0) < 4.0 + 9.0)
    z = e.select(near).z
    assert len(z) > 500
    assert abs(z.mean()) < 0.05 + 2.0 / np.sqrt(len(z))
    assert 0.95 - 3.0 / np.sqrt(len(z)) < spread(z) < 1.05 + 3.0 / np.sqrt(len(z))
    check(e)
    # the background of reflections that the gap cuts is that of the pixels that are left
    cut = [has_flag(r, Flag.BACKGROUND_INCLUDES_BAD_PIXELS) for r in made]
    found = np.mean(
        [
            r["background_mean"][c & (r["n_background"] > 0)].mean()
            for r, c in zip(made, cut, strict=True)
        ]
    )
    np.testing.assert_allclose(found, background, rtol=0.03)


def test_a_fit_gains_nearly_all_that_the_true_profile_gains():
    """R of the weakest: summed, fitted, and fitted with the profile that was painted."""
    p, made = tables(10.0)
    ideal = _ideal(p)
    rows = (p.predicted["partiality"] > 0.99) & (p.intensity < 60.0)
    rows &= np.all(
        [
            has_flag(r, Flag.INTEGRATED_SUM)
            & has_flag(r, Flag.INTEGRATED_PRF)
            & ~has_flag(r, Flag.OVERLAPPED_FG)
            for r in made
        ],
        axis=0,
    )
    assert rows.sum() > 400
    rms = [
        np.sqrt(np.mean([(r[f"intensity_{kind}"] - p.intensity)[rows] ** 2 for r in made]))
        for kind in ("sum", "prf")
    ]
    best = np.sqrt(np.mean(ideal[rows]))
    assert rms[0] - rms[1] > 0.9 * (rms[0] - best)


def _ideal(p: Painted) -> np.ndarray:
    """Return the least variance (n,) of an intensity of known profile on the known background."""
    from support.painted_frames import _add

    out = np.full(len(p.intensity), np.nan)
    b = float(np.mean(p.background))
    for i in np.flatnonzero((p.predicted["partiality"] > 0.99) & (p.intensity < 60.0)):
        alone = np.zeros(p.frames.shape)
        _add(alone, p.predicted, i, 1.0, p.experiment, gaussian)
        q = alone[alone > 0]
        # Cramer and Rao
        out[i] = 1.0 / np.sum(q**2 / (b + p.intensity[i] * q))
    return out
