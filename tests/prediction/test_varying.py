"""Crystals that vary along the scan: every crossing once, where A is what it is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment
from support.predicted import assert_lawful

from dxdask.errors import InputError
from dxdask.models import Scan
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.prediction import predict_all

CELL = (20.0, 22.0, 24.0, 90.0, 90.0, 90.0)
COLUMNS = ("phi_cal_rad", "x_cal", "y_cal", "z_cal", "s1")


def sweep(n_images=16, start=3.0, width=0.5, cell=CELL):
    e = experiment(cell=cell, n_images=n_images, width=width)
    scan = Scan(image_range=(5, 4 + n_images), oscillation=(start, width))
    return replace(e, profile=None, scan=scan)


def with_points(e, points):
    return replace(e, crystal=replace(e.crystal, scan_points=tuple(matrix(m) for m in points)))


def drifting(e, degrees, *, growth=0.0, axis=(1.0, 2.0, 3.0), wobble=0.0):
    """Return the sweep with a crystal that rotates and grows steadily, and wobbles, and its A."""
    n = e.scan.n_images
    t = np.linspace(0, 1, n + 1)
    angles = np.deg2rad(degrees) * t + np.deg2rad(wobble) * np.sin(7 * t)
    points = np.array(
        [
            rotation_matrix(axis, a) @ e.crystal.a * (1 + growth * x)
            for a, x in zip(angles, t, strict=True)
        ]
    )
    return with_points(e, points), points


def a_at(points, t):
    n = len(points) - 1
    i = np.clip(np.floor(t).astype(int), 0, n - 1)
    f = (np.clip(t, 0, n) - i)[:, None, None]
    return points[i] * (1 - f) + points[i + 1] * f


def crossings(e, points, hkl, steps):
    """Return all crossings of all hkl by brute force: their rows, and places in images."""
    n, s0 = e.scan.n_images, e.beam.s0
    t = np.linspace(0, n, n * steps + 1)
    g = e.goniometer
    outer = rotation_matrices(np.outer(e.scan.phi_from_z(t + 4), g.rotation_axis))
    frame = outer @ g.setting_rotation @ g.fixed_rotation @ a_at(points, t)
    off = np.linalg.norm(np.einsum("tij,nj->tni", frame, hkl) + s0, axis=2) - np.linalg.norm(s0)
    step, row = np.nonzero((off[1:] > 0) != (off[:-1] > 0))
    a, b = off[step, row], off[step + 1, row]
    return row, t[step] + a / (a - b) * (t[1] - t[0])


def all_hkl(e, d_min, h_max=14):
    g = np.arange(-h_max, h_max + 1)
    hkl = np.stack(np.meshgrid(g, g, g, indexing="ij"), axis=-1).reshape(-1, 3)
    d_star = np.linalg.norm(hkl @ e.crystal.a.T, axis=1)
    return hkl[(d_star > 0) & (d_star < 1 / d_min)]


@pytest.mark.parametrize("given", [{}, {"n_images": 900, "width": 0.9}, {"width": -0.5}])
def test_a_crystal_that_does_not_vary_is_predicted_as_static(given):
    e = sweep(**given)
    points = [e.crystal.a_matrix] * (e.scan.n_images + 1)
    a, b = predict_all(e, d_min=2.2), predict_all(with_points(e, points), d_min=2.2)
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    np.testing.assert_array_equal(a["entering"], b["entering"])
    for name in COLUMNS:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-12 * max(1, e.scan.n_images))


DRIFTS = [
    {"degrees": 0.5},
    {"degrees": 6.0, "growth": 0.02},
    # nearly as fast as the scan, with it and against it
    {"degrees": 7.0, "axis": (0.98, 0.1, -0.15)},
    {"degrees": -7.0, "axis": (0.98, 0.1, -0.15)},
    # faster than the scan, back and forth: reflections cross several times
    {"degrees": 0.0, "wobble": 4.0, "axis": (0.98, 0.1, -0.15)},
    {"degrees": 30.0, "growth": -0.1},
]


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("width", [0.5, -0.5])
def test_each_crossing_is_predicted_once_however_fast_the_crystal_moves(drift, width):
    e = sweep(width=width)
    moving, points = drifting(e, **drift)
    p = predict_all(moving, d_min=2.4, padding=0.0)
    t = p["z_cal"] - 4
    assert_lawful(moving, p, a_at(points, t))
    hkl = all_hkl(e, 2.4)
    row, at = crossings(moving, points, hkl, 60)
    # the same, those off the detector or beyond the resolution left out
    q = np.einsum("nij,nj->ni", a_at(points, at), hkl[row])
    phi = e.scan.phi_from_z(at + 4)
    g = e.goniometer
    r = np.einsum(
        "nij,nj->ni",
        rotation_matrices(np.outer(phi, g.rotation_axis)) @ g.setting_rotation @ g.fixed_rotation,
        q,
    )
    xy = e.detector[0].mm_to_pixel(e.detector[0].ray_intersection(r + e.beam.s0))
    size = np.array(e.detector[0].image_size)
    inside = ((xy > 0) & (xy < size)).all(axis=1)
    wanted, found = places(hkl[row[inside]], at[inside]), places(p["hkl"], t)
    assert len(wanted) > 5  # few, where the crystal moves with the scan
    # a few at an edge or touching the sphere may differ
    assert len(set(found) - near(wanted)) <= 2
    assert len(set(wanted) - near(found)) <= 2
    assert len(set(found)) == len(found)


def places(hkl, t):
    return [(*h, round(x, 2)) for h, x in zip(hkl.tolist(), t.tolist(), strict=True)]


def near(some):
    """Return the places and those up to 0.02 images from them."""
    return {(*p[:3], round(p[3] + x, 2)) for p in some for x in (-0.02, -0.01, 0.0, 0.01, 0.02)}


def test_a_wobble_makes_reflections_cross_more_than_once():
    e = sweep()
    moving, _ = drifting(e, degrees=0.0, wobble=4.0, axis=(0.98, 0.1, -0.15))
    h, n = np.unique(predict_all(moving, d_min=2.4, padding=0.0)["hkl"], axis=0, return_counts=True)
    assert (n >= 3).sum() > 10
    still, m = np.unique(predict_all(e, d_min=2.4, padding=0.0)["hkl"], axis=0, return_counts=True)
    assert m.max() <= 2
    assert len(h) > 0.5 * len(still)


def test_outside_the_scan_the_crystal_is_as_at_its_end():
    e = sweep()
    moving, points = drifting(e, degrees=1.0)
    p = predict_all(moving, d_min=2.4, padding=2.0)
    before, after = p["z_cal"] < 4, p["z_cal"] >= 20
    assert before.sum() > 20
    assert after.sum() > 20
    for part, a in ((before, points[0]), (after, points[-1])):
        own = replace(moving, crystal=replace(e.crystal, a_matrix=matrix(a)))
        static = predict_all(own, d_min=2.4, padding=2.0)
        there = (static["z_cal"] < 4) if part is before else (static["z_cal"] >= 20)
        np.testing.assert_array_equal(static["hkl"][there], p["hkl"][part])
        np.testing.assert_allclose(static["x_cal"][there], p["x_cal"][part], atol=1e-9)


def test_a_long_scan_of_several_turns_with_drift_is_found_whole():
    e = sweep(n_images=1500, start=-30.0, width=0.5, cell=(12.0, 13.0, 14.0, 90.0, 90.0, 90.0))
    moving, points = drifting(e, degrees=20.0, growth=0.01)
    p = predict_all(moving, d_min=2.95, padding=0.0)
    assert_lawful(moving, p, a_at(points, p["z_cal"] - 4))
    row, _ = crossings(moving, points, all_hkl(e, 2.95, 6), 4)
    everywhere = replace(moving, detector=all_round(e))
    assert abs(len(predict_all(everywhere, d_min=2.95, padding=0.0)["d"]) - len(row)) <= 2


def all_round(e):
    """Return a detector of two large panels that catches every ray."""
    big = replace(
        e.detector[0], image_size=(10**7, 10**7), pixel_size=(1.0, 1.0), use_parallax=False
    )
    forward = replace(big, origin=(-5e6, 5e6, -10.0), fast_axis=(1, 0, 0), slow_axis=(0, -1, 0))
    back = replace(forward, origin=(-5e6, 5e6, 10.0))
    return replace(e.detector, panels=(forward, back))


def test_force_static_uses_the_static_crystal():
    e = sweep()
    moving, _ = drifting(e, degrees=2.0)
    a, b = predict_all(moving, d_min=2.4, force_static=True), predict_all(e, d_min=2.4)
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name])


def test_scan_points_that_do_not_match_the_scan_are_refused():
    e = sweep()
    wrong = with_points(e, [e.crystal.a] * 3)
    with pytest.raises(InputError, match="3 scan points, the scan has 16 images"):
        predict_all(wrong)
    assert len(predict_all(wrong, force_static=True)["d"]) > 0
