"""Backgrounds along the rotation, against fits to each pixel of each image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from dxdask.integration.background_volume import volumes
from dxdask.integration.footprints import Footprints
from dxdask.integration.rotation_sums import RotationSums

SIZE, DEPTH = 9, 6
z, y, x = np.mgrid[:DEPTH, :SIZE, :SIZE]
U, V = (y - SIZE // 2) / (SIZE / 2), (x - SIZE // 2) / (SIZE / 2)
T = (z + 0.5) / (DEPTH / 2) - 1.0
# cut by the start of the scan: the foreground is on the first images
FOREGROUND = (x - SIZE // 2) ** 2 + (y - SIZE // 2) ** 2 + z**2 < 9


def sums(counts: np.ndarray) -> tuple[Footprints, RotationSums]:
    """Return the sums of the counts (image, slow, fast) of one box."""
    used = ~FOREGROUND
    images = [used * v for v in (counts, 1)] + [FOREGROUND, 10 * FOREGROUND]
    images += [used * v for v in (x, y, x * x, x * y, y * y)]
    moments = [(used * z**k).sum(axis=0).ravel() for k in (1, 2, 3, 4)]
    moments.append((used * z * counts).sum(axis=0).ravel())
    f = Footprints(
        np.array([[-SIZE / 2, -SIZE / 2, SIZE, 1.0, 0.0, SIZE / 2]]),
        np.array([0, SIZE**2]),
        (used * counts).sum(axis=0).ravel(),
        used.sum(axis=0).ravel().astype(np.int32),
        FOREGROUND.sum(axis=0).ravel().astype(np.int32),
        (10 * FOREGROUND).sum(axis=0).ravel().astype(np.int32),
        np.ones(SIZE**2, dtype=np.float32),
    )
    table = np.stack([np.sum(v, axis=(1, 2)) for v in images], axis=1).astype(np.int64)
    s = RotationSums(np.array([0, DEPTH]), table, np.stack(moments, axis=1).astype(np.int64))
    return f, s


def fitted(counts: np.ndarray, constant: float, tuning: float = 1.345):
    f, s = sums(counts)
    return volumes(
        np.array([0]), f, s, np.array([constant]), tuning_constants=np.array([tuning]),
        tolerance=1e-6, max_iter=100,
    )  # fmt: skip


def under(mean: float, slopes: tuple[float, float, float]) -> np.ndarray:
    return mean * np.exp(slopes[0] * U + slopes[1] * V + slopes[2] * T)


@pytest.mark.parametrize("mean", [0.1, 2.0, 50.0])
def test_it_is_the_likelihood_without_robustness(mean):
    counts = np.random.default_rng(4).poisson(under(mean, (0.4, -0.3, 0.5)))
    terms = np.stack([np.ones(U.shape), U, V, T])
    used = ~FOREGROUND

    def cost(beta):
        log = np.tensordot(beta, terms, 1)[used]
        return np.sum(np.exp(log) - counts[used] * log) + np.sum(beta[1:] ** 2) / 18.0

    best = minimize(cost, [np.log(mean), 0.0, 0.0, 0.0], tol=1e-12)
    expected = np.exp(np.tensordot(best.x, terms, 1))[FOREGROUND].mean()
    found = fitted(counts, mean, np.inf)
    np.testing.assert_allclose(found.own[0], expected, rtol=4e-3)
    np.testing.assert_allclose(found.fitted[0], expected, rtol=4e-3)


@pytest.mark.parametrize("mean", [1.0, 100.0])
def test_means_under_the_foreground_have_the_errors_they_say(mean):
    true = under(mean, (0.4, -0.3, 0.5))
    rng, own = np.random.default_rng(8), true[FOREGROUND].mean()
    deviations = []
    for _ in range(200):
        found = fitted(rng.poisson(true), mean)
        deviations.append((found.own[0] - own) / np.sqrt(own / found.n_pixels[0]))
    assert abs(np.mean(deviations)) < 0.25
    assert 0.85 < np.std(deviations) < 1.2


def test_a_bright_image_hardly_moves_it():
    true = under(3.0, (0.2, 0.2, 0.4))
    counts = np.random.default_rng(2).poisson(true)
    counts[-1] *= 2
    own = true[FOREGROUND].mean()
    off, plain = (abs(fitted(counts, 3.0, c).own[0] / own - 1.0) for c in (1.345, np.inf))
    assert off < 0.5 * plain


def test_there_is_none_without_counts():
    assert np.isnan(fitted(np.zeros(U.shape, dtype=np.int64), 0.0).own[0])
