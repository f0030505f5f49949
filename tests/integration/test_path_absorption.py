"""Absorption by air and windows: coefficients, paths, and what is not possible."""

from __future__ import annotations

import numpy as np
import pytest
from support.painted_frames import experiment

from dxdask.errors import InputError
from dxdask.integration.parameters import CorrectionParameters, IntegrationParameters
from dxdask.integration.prediction import predict
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.models.path_materials import path_absorption, window_of


def at_kev(kev: float) -> float:
    return KEV_ANGSTROM / kev


@pytest.mark.parametrize(
    ("material", "kev", "per_cm"),
    [
        # NIST's tables of mu / rho times density: compounds of their own there
        ("air", 8.0, 9.921 * 1.205e-3),
        ("air", 20.0, 0.7779 * 1.205e-3),
        ("Al", 10.0, 26.23 * 2.699),
        ("Be", 6.0, 2.527 * 1.848),
        ("Mylar", 8.0, 6.750 * 1.38),
        ("Mylar", 20.0, 0.5798 * 1.38),
        # C22 H10 N2 O5 by the weights of its atoms
        (
            "Kapton",
            10.0,
            (264.24 * 2.373 + 10.08 * 0.3854 + 28.01 * 3.879 + 80.0 * 5.952) / 382.33 * 1.42,
        ),
    ],
)
def test_coefficients_are_those_of_the_tables(material, kev, per_cm):
    np.testing.assert_allclose(10 * path_absorption(material, at_kev(kev)), per_cm, rtol=0.002)


def test_rays_pass_air_and_a_window_by_their_angle():
    e = experiment(n_images=2)
    off = {"lorentz": False, "polarisation": False, "absorption": False}
    t = predict(e, corrections=CorrectionParameters(**off, air=True, window="Al:0.1"))
    xy = np.stack([t["x_cal"], t["y_cal"]], axis=1)
    panel = e.detector[0]
    # the place on the panel, without parallax
    place = panel.lab_coordinates(xy * 0.1)
    path = np.linalg.norm(place, axis=1)
    cosine = np.abs(place @ panel.normal) / path
    mu_air, mu_al = (path_absorption(m, e.beam.wavelength) for m in ("air", "Al"))
    # parallax moves spots by at most a tenth of a mm
    np.testing.assert_allclose(t["qe"], np.exp(-mu_air * path - mu_al * 0.1 / cosine), rtol=3e-3)
    assert t["qe"].min() < 0.98 * t["qe"].max()


def test_they_are_off_by_default():
    e = experiment(n_images=2)
    given = IntegrationParameters().corrections
    assert not given.air
    assert given.window is None
    np.testing.assert_array_equal(
        predict(e)["qe"], predict(e, corrections=CorrectionParameters(air=False))["qe"]
    )


def test_electrons_and_soft_rays_have_no_table():
    with pytest.raises(InputError, match=r"4 to 150 keV.*geometry.beam.wavelength"):
        path_absorption("air", 0.0251)


@pytest.mark.parametrize("text", ["Al", "Al:", "lead:1", "Al:-1", "Al:nan", "Al:inf", ":0.1"])
def test_windows_that_cannot_be_are_named(text):
    with pytest.raises(InputError, match="MATERIAL:THICKNESS"):
        window_of(text)
    with pytest.raises(ValueError, match="MATERIAL:THICKNESS"):
        CorrectionParameters(window=text)


def test_a_window_is_read_in_any_case():
    assert window_of("kapton: 0.05") == ("Kapton", 0.05)
