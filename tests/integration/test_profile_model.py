"""Widths of the reflections, estimated from spots of known widths, and against DIALS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import SIGMA_B, SIGMA_M, experiment, paint
from support.painted_spots import strong_spots

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.prediction import predict
from dxdask.integration.profile_model import estimate_profile
from dxdask.models import ExperimentList


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(cell=(25.0, 28.0, 31.0, 85.0, 95.0, 100.0), n_images=24), mean=1000.0)


def test_the_widths_put_in_are_found(painted):
    table, arrays = strong_spots(painted)
    assert len(table["flags"]) > 100
    e = ExperimentList.of([replace(painted.experiment, profile=None)])
    profile = estimate_profile(table, arrays, e, IntegrationParameters())[0].profile
    # sigma_b is the radial spread, root two of the width along one axis, and includes the pixel
    pixel = 0.1 / 40.0 / np.sqrt(6)
    expected = np.sqrt(2 * SIGMA_B**2 + pixel**2)
    np.testing.assert_allclose(profile.sigma_b, expected, rtol=0.08)
    np.testing.assert_allclose(profile.sigma_m, SIGMA_M, rtol=0.05)


@pytest.mark.parametrize("radius", [0.0, 4e-4, 1e-3])
def test_the_radius_of_lattice_points_is_found(radius):
    """The width along the rotation grows with d, by the radius of the lattice points."""
    sigma_m = np.deg2rad(0.08)
    made = experiment(
        cell=(25.0, 28.0, 31.0, 85.0, 95.0, 100.0), n_images=24, sigma_m=sigma_m, rlp_radius=radius
    )
    table, arrays = strong_spots(paint(made, mean=1000.0))
    e = ExperimentList.of([replace(made, profile=None)])
    found = estimate_profile(table, arrays, e, IntegrationParameters())[0].profile
    np.testing.assert_allclose(found.rlp_radius, radius, rtol=0.05, atol=4e-5)
    np.testing.assert_allclose(found.sigma_m, sigma_m, rtol=0.05)
    kabsch = IntegrationParameters.model_validate({"profile": {"rlp_radius": 0.0}})
    one = estimate_profile(table, arrays, e, kabsch)[0].profile
    assert one.rlp_radius == 0
    assert (one.sigma_m > 1.1 * sigma_m) == (radius > 0)


@pytest.mark.jit
def test_reflections_near_the_beam_are_integrated_whole():
    """Foregrounds are as long as the reflections at each d; with one width, low orders are cut."""
    made = experiment(
        cell=(45.0, 50.0, 55.0, 85.0, 95.0, 100.0), n_images=24, width=0.2,
        sigma_m=np.deg2rad(0.05), rlp_radius=1e-3, n_sigma=3,
    )  # fmt: skip
    p = paint(made, mean=3e4, background=0.1)
    right = integrate(p.frames, p.mask, made, p.predicted).reflections
    wrong = replace(made, profile=replace(made.profile, sigma_m=np.deg2rad(0.2), rlp_radius=0.0))
    one = integrate(p.frames, p.mask, wrong, predict(wrong)).reflections
    rows = {tuple(h): i for i, h in enumerate(one["hkl"].tolist())}
    whole = (right["partiality"] > 0.99) & has_flag(right, Flag.INTEGRATED_SUM)
    near = np.flatnonzero(whole & (p.intensity > 3e3) & (right["d"] > 6))
    assert len(near) > 5
    same = [rows[tuple(h)] for h in right["hkl"][near].tolist()]
    ratio = right["intensity_sum"][near] / p.intensity[near]
    assert np.median(ratio) > 0.985
    assert np.median(one["intensity_sum"][same] / p.intensity[near]) < 0.95


def test_widths_given_are_taken(painted):
    table, arrays = strong_spots(painted)
    e = ExperimentList.of([painted.experiment])
    both = {"profile": {"sigma_b": 0.05, "sigma_m": 0.2, "n_sigma": 4}}
    p = estimate_profile({}, {}, e, IntegrationParameters.model_validate(both))[0].profile
    np.testing.assert_allclose(
        [p.sigma_b, p.sigma_m, p.n_sigma], [np.deg2rad(0.05), np.deg2rad(0.2), 4]
    )
    one = IntegrationParameters.model_validate({"profile": {"sigma_m": 0.2}})
    p = estimate_profile(table, arrays, e, one)[0].profile
    np.testing.assert_allclose(p.sigma_m, np.deg2rad(0.2))


def test_spots_used_in_refinement_come_first(painted):
    table, arrays = strong_spots(painted)
    e = ExperimentList.of([painted.experiment])
    flags = table["flags"].copy()
    flags[:60] |= Flag.USED_IN_REFINEMENT
    some = estimate_profile(table | {"flags": flags}, arrays, e, IntegrationParameters())[0].profile
    rest = arrays["pixel_offsets"][60]
    cut = {n: v[:rest] for n, v in arrays.items()} | {"pixel_offsets": arrays["pixel_offsets"][:61]}
    first = {n: v[:60] for n, v in table.items()}
    assert some == estimate_profile(first, cut, e, IntegrationParameters())[0].profile


def test_missing_steps_are_named(painted):
    table, arrays = strong_spots(painted)
    e = ExperimentList.of([painted.experiment])
    parameters = IntegrationParameters()
    few = {n: v[:9] for n, v in table.items()}
    cut = arrays | {"pixel_offsets": arrays["pixel_offsets"][:10]}
    cut = {
        n: v[: arrays["pixel_offsets"][9]] if n != "pixel_offsets" else v for n, v in cut.items()
    }
    with pytest.raises(InputError, match="has 9 indexed strong spots, a profile needs 50"):
        estimate_profile(few, cut, e, parameters)
    with pytest.raises(InputError, match="lack pixel_offsets"):
        estimate_profile(table, {}, e, parameters)
    with pytest.raises(InputError, match="x_cal_mm"):
        estimate_profile({"experiment": table["experiment"]}, arrays, e, parameters)
    with pytest.raises(InputError, match="do not match 9 reflections"):
        estimate_profile(few, arrays, e, parameters)
