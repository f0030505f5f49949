"""Reflections of scans whose images are not evenly spaced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment
from support.predicted import assert_lawful

from dxdask.models import Experiment, Scan
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.prediction import predict_all

pytestmark = pytest.mark.jit

CELL = (20.0, 22.0, 24.0, 90.0, 90.0, 90.0)
COLUMNS = ("phi_cal_rad", "x_cal", "y_cal", "z_cal", "s1")


def uneven(n_images: int = 24, start: float = 3.0, width: float = 0.5) -> Experiment:
    """Return a sweep that starts slowly and has images of a tenth to two widths."""
    steps = np.random.default_rng(7).uniform(0.1, 2.0, n_images)
    steps[:4] = 0.1, 0.2, 0.4, 0.7
    angles = start + width * np.concatenate([[0.0], np.cumsum(steps)])
    scan = Scan(
        image_range=(5, 4 + n_images), oscillation=(start, width), angles=tuple(angles.tolist())
    )
    return replace(experiment(cell=CELL, n_images=n_images, width=width), profile=None, scan=scan)


def even(e: Experiment, parts: int = 1) -> Experiment:
    """Return the sweep over the same angles in even images, `parts` to one."""
    assert e.scan is not None
    begin, end = np.rad2deg(e.scan.phi_range_rad)
    n = parts * e.scan.n_images
    scan = Scan(image_range=(5, 4 + n), oscillation=(float(begin), float((end - begin) / n)))
    return replace(e, scan=scan)


def varying(e: Experiment, degrees: float) -> Experiment:
    """Return the sweep with a crystal that turns by this angle, and back, as the angle goes on."""
    assert e.scan is not None
    assert e.crystal is not None
    phi = e.scan.borders_rad
    at = (phi - phi[0]) / (phi[-1] - phi[0])
    points = tuple(
        matrix(rotation_matrix((1.0, 2.0, 3.0), np.deg2rad(degrees) * np.sin(3 * t)) @ e.crystal.a)
        for t in at
    )
    return replace(e, crystal=replace(e.crystal, scan_points=points))


@pytest.mark.parametrize("given", [{}, {"width": -0.5}, {"n_images": 900, "width": 0.9}])
@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_reflections_and_angles_are_those_of_even_images(given, padding):
    e = uneven(**given)
    a, b = (predict_all(x, d_min=2.4, padding=padding) for x in (e, even(e)))
    assert len(a["d"]) > 100
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    np.testing.assert_array_equal(a["entering"], b["entering"])
    for name in ("phi_cal_rad", "x_cal", "y_cal", "s1", "zeta"):
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(a["z_cal"], e.scan.z_from_phi(a["phi_cal_rad"]))


@pytest.mark.parametrize("width", [0.5, -0.5])
def test_a_crystal_that_does_not_vary_is_predicted_as_static(width):
    e = uneven(width=width)
    points = (e.crystal.a_matrix,) * (e.scan.n_images + 1)
    same = replace(e, crystal=replace(e.crystal, scan_points=points))
    a, b = predict_all(e, d_min=2.2), predict_all(same, d_min=2.2)
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    for name in COLUMNS:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("width", [0.5, -0.5])
@pytest.mark.parametrize("degrees", [0.5, 4.0])
def test_a_crystal_that_varies_is_predicted_where_it_is(width, degrees):
    e = varying(uneven(width=width), degrees)
    p = predict_all(e, d_min=2.4, padding=0.0)
    points, t = np.asarray(e.crystal.scan_points), p["z_cal"] - e.scan.array_range[0]
    i = np.clip(np.floor(t).astype(int), 0, e.scan.n_images - 1)
    f = (t - i)[:, None, None]
    assert_lawful(e, p, points[i] * (1 - f) + points[i + 1] * f)
    # in fine even images it is as much where it is, but for its path within wide ones
    fine = predict_all(varying(even(e, 40), degrees), d_min=2.4, padding=0.0)
    one, other = ({(*h, bool(s)) for h, s in zip(q["hkl"].tolist(), q["entering"], strict=True)}
                  for q in (p, fine))  # fmt: skip
    assert len(one ^ other) <= 0.005 * len(other)
