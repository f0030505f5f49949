"""The parallax of sensors: photons absorbed on oblique paths, both laws, models of older stores."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel
from dxdask.models.parallax import Law, mean_path
from dxdask.models.parallax_law import detector_with_law, panel_with_law
from dxdask.models.rotations import rotation_matrices

LAWS = get_args(Law)
SILICON = Panel(
    origin=(-40.0, 40.0, -100.0), pixel_size=(0.075, 0.075), image_size=(1060, 1060),
    thickness=0.32, material="Si", mu=1.04, use_parallax=True,
)  # fmt: skip
TILTED = replace(
    SILICON.moved(rotation_matrices(np.array([[0.2, -0.3, 0.1]]))[0]), thickness=1.0, mu=3.0
)


def recorded(panel: Panel, ray: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mean position, px, of the photons of a ray that the sensor absorbs.

    The depths of absorption are those of n equal parts of the photons, exponential along the ray.
    """
    ray = ray / np.linalg.norm(ray)
    normal = np.sign(panel.normal @ panel.origin) * panel.normal
    path = -np.log((np.arange(n) + rng.random(n)) / n) / panel.mu
    absorbed = path[path * (ray @ normal) < panel.thickness]
    hit = ray * ((normal @ panel.origin) / (normal @ ray)) + absorbed[:, None] * ray
    return ((hit - panel.origin) @ panel.axes[:2].T).mean(axis=0) / panel.pixel_size


@pytest.mark.parametrize("panel", [SILICON, TILTED], ids=["silicon", "tilted"])
@pytest.mark.parametrize("place", [(1.0, 2.0), (60.0, 75.0), (79.0, 1.0)])
def test_photons_are_recorded_where_absorbed_puts_them(panel, place):
    rng = np.random.default_rng(1)
    ray = panel.lab_coordinates([place])[0]
    found = recorded(panel, ray, 200_000, rng)
    np.testing.assert_allclose(panel.mm_to_pixel([place])[0], found, atol=1e-3)
    other = replace(panel, parallax_law="dxtbx")
    assert np.abs(other.mm_to_pixel([place])[0] - found).max() > 0.02


def test_the_mean_path_of_thin_and_thick_sensors():
    # a thin sensor absorbs evenly, in a thick one the path is the length of absorption
    assert mean_path(1e-3, 1.0, "absorbed") == pytest.approx(5e-4, rel=1e-3)
    for law in LAWS:
        assert mean_path(50.0, 2.0, law) == pytest.approx(0.5, rel=1e-9)
        assert mean_path(5e3, 2.0, law) == pytest.approx(0.5, rel=1e-9)


def test_the_laws_for_silicon_at_20_keV():
    assert mean_path(0.32, 1.04, "absorbed") == pytest.approx(0.151, abs=1e-3)
    assert mean_path(0.32, 1.04, "dxtbx") == pytest.approx(0.043, abs=1e-3)


@given(st.floats(0.01, 50.0), st.floats(0.01, 5.0))
def test_the_laws_differ_by_the_fraction_that_is_absorbed(mu, path):
    fraction = -np.expm1(-mu * path)
    both = mean_path(path, mu, "absorbed") * fraction
    assert both == pytest.approx(mean_path(path, mu, "dxtbx"), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("panel", [SILICON, TILTED], ids=["silicon", "tilted"])
def test_pixels_come_back(panel):
    grid = np.stack(np.meshgrid([0.0, 300.0, 1060.0], [0.5, 700.0, 1060.0]), axis=-1).reshape(-1, 2)
    back = panel.mm_to_pixel(panel.pixel_to_mm(grid))
    np.testing.assert_allclose(back, grid, atol=1e-6)
    mm = panel.pixel_to_mm(grid)
    np.testing.assert_allclose(panel.pixel_to_mm(panel.mm_to_pixel(mm)), mm, atol=1e-7)


@pytest.mark.parametrize("law", LAWS)
def test_the_law_goes_to_json_and_back(law):
    given = Detector(panels=(replace(SILICON, parallax_law=law), SILICON))
    assert Detector.from_dict(given.to_dict()) == given
    experiments = ExperimentList.of(
        [Experiment(identifier="a", run="a", beam=Beam(), detector=given)]
    )
    assert ExperimentList.from_dict(experiments.to_dict()) == experiments


def test_models_of_older_stores_have_dxtbx_s_law_and_stay_as_they_are():
    old = ExperimentList.of(
        [Experiment(identifier="a", run="a", beam=Beam(), detector=Detector(panels=(SILICON,)))]
    ).to_dict()
    del old["detectors"][0]["panels"][0]["parallax_law"]
    read = ExperimentList.from_dict(old)
    assert read.detectors[0][0] == replace(SILICON, parallax_law="dxtbx")
    # so do the fingerprints of what was made from them
    assert read.to_dict() == old


@pytest.mark.parametrize("panel", [SILICON, TILTED], ids=["silicon", "tilted"])
def test_a_panel_under_the_other_law_records_at_the_same_places(panel):
    other = panel_with_law(panel, "dxtbx")
    away = (
        (np.asarray(other.origin) - panel.origin)
        @ panel.normal
        * np.sign(panel.normal @ panel.origin)
    )
    paths = [mean_path(panel.thickness, panel.mu, law) for law in LAWS]
    assert away == pytest.approx(paths[0] - paths[1], abs=1e-12)
    back = panel_with_law(other, "absorbed")
    np.testing.assert_allclose(back.origin, panel.origin, atol=1e-12)
    assert replace(back, origin=panel.origin) == panel


def test_places_under_the_other_law_agree_to_25_degrees():
    angle = np.deg2rad(np.linspace(0, 25, 26))
    rays = np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], axis=1)
    wide = replace(SILICON, origin=(-80.0, 80.0, -100.0))
    other = detector_with_law(Detector(panels=(wide,)), "dxtbx")[0]
    mine, theirs = (p.mm_to_pixel(p.ray_intersection(rays))[:, 0] for p in (wide, other))
    apart = np.abs(mine - theirs)
    assert apart[0] < 1e-9
    assert 0.01 < apart.max() < 0.04


def test_a_panel_without_parallax_stays_where_it_is():
    plain = replace(SILICON, use_parallax=False)
    assert panel_with_law(plain, "dxtbx") == replace(plain, parallax_law="dxtbx")
