"""Scans whose images are not evenly spaced: angles by image, places, parts, JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import Scan


@st.composite
def uneven_scans(draw: st.DrawFn) -> Scan:
    """Scans with steps of a twentieth to four widths, forward or backward, from any image on."""
    n = draw(st.integers(1, 30))
    steps = draw(st.lists(st.floats(0.05, 4.0), min_size=n, max_size=n))
    width = draw(st.sampled_from([0.25, 1.0, -0.5]))
    start, first = draw(st.floats(-200.0, 200.0)), draw(st.integers(1, 500))
    angles = start + width * np.concatenate([[0.0], np.cumsum(steps)])
    return Scan(
        image_range=(first, first + n - 1),
        oscillation=(start, width),
        angles=tuple(angles.tolist()),
    )


@given(uneven_scans(), st.lists(st.floats(-3.0, 35.0), min_size=1, max_size=20))
def test_places_and_angles_are_inverse(scan: Scan, places: list[float]) -> None:
    z = np.array(places) + scan.array_range[0]
    phi = scan.phi_from_z(z)
    # one rounding of 200 degrees is this part of the narrowest image
    rounding = 4 * np.spacing(np.deg2rad(200.0)) / np.deg2rad(0.05 * 0.25)
    np.testing.assert_allclose(scan.z_from_phi(phi), z, rtol=0, atol=max(1e-12, rounding))
    np.testing.assert_allclose(scan.phi_from_z(scan.z_from_phi(phi)), phi, rtol=0, atol=1e-12)


@given(uneven_scans())
def test_angles_are_those_of_the_borders_and_go_on_beyond_the_ends(scan: Scan) -> None:
    first, last = scan.array_range
    borders = np.deg2rad(scan.angles)
    np.testing.assert_allclose(scan.phi_from_z(np.arange(first, last + 1)), borders, atol=1e-12)
    assert scan.phi_range_rad == (borders[0], borders[-1])
    width = scan.image_width_rad
    np.testing.assert_allclose(scan.phi_from_z(first - 2.5), borders[0] - 2.5 * width, atol=1e-12)
    np.testing.assert_allclose(scan.phi_from_z(last + 2.5), borders[-1] + 2.5 * width, atol=1e-12)
    z: Floats = np.linspace(first - 3, last + 3, 200)
    assert np.all(np.diff(scan.phi_from_z(z)) * np.sign(width) > 0.0)
    np.testing.assert_allclose(scan.width_at(np.arange(first, last) + 0.5), np.diff(borders))


@given(uneven_scans())
def test_a_part_has_the_angles_of_its_images(scan: Scan) -> None:
    start, stop = scan.n_images // 3, scan.n_images
    part = scan.part(start, stop)
    z = np.linspace(part.array_range[0], part.array_range[1], 11)
    np.testing.assert_array_equal(part.phi_from_z(z), scan.phi_from_z(z))


@given(uneven_scans())
def test_round_trip_through_json(scan: Scan) -> None:
    assert Scan.from_dict(json.loads(json.dumps(scan.to_dict()))) == scan


def test_even_angles_are_those_without_any() -> None:
    even = Scan(image_range=(4, 13), oscillation=(10.0, 0.5))
    same = Scan(
        image_range=(4, 13),
        oscillation=(10.0, 0.5),
        angles=tuple((10.0 + 0.5 * np.arange(11)).tolist()),
    )
    z = np.linspace(-1.0, 16.0, 50)
    np.testing.assert_allclose(same.phi_from_z(z), even.phi_from_z(z), rtol=1e-14)
    np.testing.assert_allclose(same.borders_rad, even.borders_rad, rtol=1e-14)
    assert "angles" not in even.to_dict()


def test_no_number_has_no_place() -> None:
    scan = Scan(image_range=(1, 2), oscillation=(0.0, 1.0), angles=(0.0, 0.7, 2.0))
    assert np.isnan(scan.z_from_phi(np.array([np.nan]))).all()
    assert np.isnan(scan.phi_from_z(np.array([np.nan]))).all()


def test_angles_that_are_not_of_the_images_are_refused() -> None:
    with pytest.raises(InputError, match="2 images has 2 angles: give one more than images"):
        Scan(image_range=(1, 2), oscillation=(0.0, 1.0), angles=(0.0, 1.0))
    with pytest.raises(InputError, match="do not go on from image to image"):
        Scan(image_range=(1, 2), oscillation=(0.0, 1.0), angles=(0.0, 1.5, 1.2))
    with pytest.raises(InputError, match="do not go on from image to image"):
        Scan(image_range=(1, 2), oscillation=(0.0, 1.0), angles=(0.0, -1.0, -2.0))
