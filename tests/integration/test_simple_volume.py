"""Means of images and planes along the rotation, against fits to pixels and against DIALS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from dxdask.integration.footprints import Footprints
from dxdask.integration.parameters import BackgroundParameters
from dxdask.integration.rotation_sums import RotationSums
from dxdask.integration.simple_background import BY_PLANE, NSIGMA, NULL, TUKEY, Rejection
from dxdask.integration.simple_volume import image_means, volume_planes

DIALS_PYTHON = Path("/usr/bin/python3")
ROWS = np.array([0])
NONE = Rejection(NULL, 0, 0)
SIZE, DEPTH = 9, 6
z, y, x = np.mgrid[:DEPTH, :SIZE, :SIZE]
# cut by the start of the scan: the foreground is on the first images
FOREGROUND = (x - SIZE // 2) ** 2 + (y - SIZE // 2) ** 2 + z**2 < 9
PROFILE = np.where(FOREGROUND, 1 + z + (x > 4), 0)
TRUE = 6.0 + 0.3 * (x - 4) - 0.2 * (y - 4) - 0.8 * (z - 2.5)
DIALS = """
import sys
import numpy as np
from dials.algorithms.background.simple import Constant2dModeller, Linear3dModeller
from scitbx.array_family import flex

data, used, foreground = np.load(sys.argv[1])
data, used = flex.double(data), flex.bool(used > 0)
out = []
for modeller in (Constant2dModeller(), Linear3dModeller()):
    model = modeller.create(data, used)
    out.append([model.value(*(i + 0.5 for i in at)) for at in np.argwhere(foreground).tolist()])
np.save(sys.argv[2], np.array(out))
"""


def sums(counts: np.ndarray, used: np.ndarray = ~FOREGROUND) -> tuple[Footprints, RotationSums]:
    """Return the sums of the counts (image, slow, fast) of one box."""

    def by_pixel(v: np.ndarray) -> np.ndarray:
        return v.sum(axis=0).ravel()

    f = Footprints(
        np.array([[-SIZE / 2, -SIZE / 2, SIZE, 0.8, 0.6, SIZE / 2]]),
        np.array([0, SIZE**2]),
        by_pixel(used * counts),
        by_pixel(used).astype(np.int32),
        by_pixel(FOREGROUND).astype(np.int32),
        by_pixel(PROFILE).astype(np.int32),
        np.ones(SIZE**2, dtype=np.float32),
    )
    images = [used * counts, used, FOREGROUND, PROFILE]
    images += [used * v for v in (x, y, x * x, x * y, y * y)]
    moments = [by_pixel(used * v) for v in (z, z**2, z**3, z**4, z * counts)]
    table = np.stack([np.sum(v, axis=(1, 2)) for v in images], axis=1).astype(np.int64)
    return f, RotationSums(np.array([0, DEPTH]), table, np.stack(moments, axis=1).astype(np.int64))


def plane(counts: np.ndarray, rejection: Rejection = NONE, **more):
    return volume_planes(ROWS, *sums(counts), rejection, **({"min_pixels": 10} | more))


def noisy(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(TRUE)


@pytest.mark.parametrize("unit", [1, 8])
def test_planes_are_those_of_all_pixels_of_all_images(unit):
    terms = np.stack([np.ones(TRUE.shape), x, y, z], axis=-1)
    used = ~FOREGROUND
    used[:, 2, 3] = False
    used[3:, 6, 1] = False
    counts = noisy()
    beta, *_ = np.linalg.lstsq(terms[used], counts[used], rcond=None)
    expected = terms @ beta
    found = volume_planes(
        ROWS, *sums(unit * counts, used), Rejection(NULL, 0, 0), min_pixels=10, unit=unit
    )
    np.testing.assert_allclose(found.own[0], expected[FOREGROUND].mean(), rtol=1e-6)
    np.testing.assert_allclose(found.fitted[0], np.average(expected, weights=PROFILE), rtol=1e-6)
    share = np.linalg.solve(terms[used].T @ terms[used], terms[FOREGROUND].mean(axis=0))
    variance = np.sum((terms[used] @ share) ** 2 * expected[used])
    np.testing.assert_allclose(found.n_pixels[0], found.own[0] / variance, rtol=1e-6)


def test_means_are_those_of_each_image():
    counts = noisy() * (1 + z % 2)
    means = np.array([c[~f].mean() for c, f in zip(counts, FOREGROUND, strict=True)])
    inside = FOREGROUND.sum(axis=(1, 2))
    found = image_means(ROWS, *sums(8 * counts), min_pixels=10, unit=8)
    expected = np.average(means, weights=inside)
    np.testing.assert_allclose(found.own[0], expected, rtol=1e-12)
    by_profile = np.average(means, weights=PROFILE.sum(axis=(1, 2)))
    np.testing.assert_allclose(found.fitted[0], by_profile, rtol=1e-12)
    variance = np.sum(inside**2 * means / (SIZE**2 - inside)) / inside.sum() ** 2
    np.testing.assert_allclose(found.n_pixels[0], expected / variance, rtol=1e-12)


@pytest.mark.dials
@pytest.mark.skipif(not DIALS_PYTHON.exists(), reason="needs DIALS")
def test_backgrounds_are_those_of_dials(tmp_path):
    counts = noisy()
    np.save(tmp_path / "box.npy", np.array([counts, ~FOREGROUND, FOREGROUND], dtype=float))
    files = [str(tmp_path / "box.npy"), str(tmp_path / "model.npy")]
    subprocess.run([str(DIALS_PYTHON), "-c", DIALS, *files], check=True)
    theirs = np.load(files[1]).mean(axis=1)
    ours = image_means(ROWS, *sums(counts), min_pixels=10).own[0], plane(counts).own[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.jit
@pytest.mark.parametrize("model", ["plane", "images"])
def test_errors_are_what_they_say(model):
    own, deviations = TRUE[FOREGROUND].mean(), []
    for seed in range(300):
        counts = noisy(seed)
        if model == "plane":
            found = plane(counts)
        else:
            counts = np.random.default_rng(seed).poisson(own * (1 + z % 3) / 1.5)
            found = image_means(ROWS, *sums(counts), min_pixels=10)
        true = own if model == "plane" else (own * (1 + z % 3) / 1.5)[FOREGROUND].mean()
        deviations.append((found.own[0] - true) / np.sqrt(true / found.n_pixels[0]))
    assert abs(np.mean(deviations)) < 0.17
    assert 0.88 < np.std(deviations) < 1.12


@pytest.mark.parametrize(
    "rejection", [Rejection(BY_PLANE, 4, 4), Rejection(NSIGMA, 3, 3), Rejection(TUKEY, 2, 2)]
)
def test_bright_pixels_are_left_out(rejection):
    counts = noisy()
    counts[2:4, 0, 3] += 400
    counts[5, 7, 8] += 400
    own = TRUE[FOREGROUND].mean()
    near, far = abs(plane(counts, rejection).own[0] - own), abs(plane(counts).own[0] - own)
    assert near < 0.6 < 0.5 * far


def test_too_few_pixels_have_none():
    n = int((~FOREGROUND).sum())
    assert np.isfinite(plane(noisy(), min_pixels=n).own[0])
    assert np.isnan(plane(noisy(), min_pixels=n + 1).own[0])
    assert np.isfinite(image_means(ROWS, *sums(noisy()), min_pixels=n).own[0])
    assert np.isnan(image_means(ROWS, *sums(noisy()), min_pixels=n + 1).own[0])


def test_images_without_background_have_no_mean():
    used = ~FOREGROUND
    used[1] = False
    assert np.isnan(image_means(ROWS, *sums(noisy(), used), min_pixels=1).own[0])


def test_boxes_without_counts_have_no_background():
    empty = np.zeros(TRUE.shape, dtype=np.int64)
    for found in (plane(empty), image_means(ROWS, *sums(empty), min_pixels=1)):
        np.testing.assert_allclose([found.own[0], found.fitted[0]], 0.0, atol=1e-12)
        assert 0.0 < found.n_pixels[0] <= (~FOREGROUND).sum()


@pytest.mark.parametrize("outlier", ["nsigma", "truncated", "tukey"])
def test_means_of_images_do_not_leave_out_outliers(outlier):
    with pytest.raises(ValueError, match="constant2d leaves no outliers out"):
        BackgroundParameters.model_validate(
            {"simple": {"model": {"algorithm": "constant2d"}, "outlier": {"algorithm": outlier}}}
        )
