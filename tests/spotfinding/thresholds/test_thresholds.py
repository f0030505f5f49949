"""The threshold that the parameters choose, with each of its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.spot_examples import experiment_for

from dxdask.models import Beam, Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.thresholds import is_of_one_panel, threshold_of
from dxdask.spotfinding.thresholds.dispersion import DispersionThreshold
from dxdask.spotfinding.thresholds.global_threshold import estimate_global_threshold
from dxdask.spotfinding.thresholds.ideal_spot import IdealSpotThreshold
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.spotfinding.thresholds.radial_profile import RadialProfileThreshold
from dxdask.spotfinding.thresholds.rings import rings_of

BEAM = Beam()
PANEL = Panel(origin=(-3.0, 2.5, -60.0), pixel_size=(0.1, 0.1), image_size=(60, 50), gain=2.0)
ALGORITHMS = ("dispersion", "dispersion_extended", "radial_profile", "helen")


def frame(shape: tuple[int, int] = (50, 60)) -> Any:
    """Return spots of all heights, longer than wide, on a background that falls off."""
    rng = np.random.default_rng(6)
    y, x = np.indices(shape)
    rate = 60 * np.exp(-np.hypot(y - 25, x - 30) / 15) + 4
    for k in range(40):
        j, i = rng.uniform(0, shape)
        r2 = ((y - j) / 0.7) ** 2 + ((x - i) / 1.3) ** 2
        rate += 25 * (k + 1) * np.exp(-r2 / 2)
    return rng.poisson(rate).astype(np.int32)


def strong_pixels(gain: Any = 1.0, region: Any = None, **parameters: Any) -> Any:
    image = frame()
    if region:
        image = image[region[2] : region[3], region[0] : region[1]].copy()
    threshold = threshold_of(
        PANEL, BEAM, image.dtype, ThresholdParameters(**parameters), gain=gain, region=region
    )
    return threshold(image, np.ones(image.shape, np.bool_)).copy()


def expected(threshold: Any, image: Any) -> Any:
    return threshold(image, np.ones(image.shape, np.bool_))


def test_each_algorithm() -> None:
    found = {name: strong_pixels(algorithm=name) for name in ALGORITHMS}
    image = frame()
    rings = rings_of(PANEL, BEAM, 100)
    same = {
        "dispersion": DispersionThreshold((50, 60), image.dtype, extended=False),
        "dispersion_extended": DispersionThreshold((50, 60), image.dtype),
        "radial_profile": RadialProfileThreshold(rings),
        "helen": IdealSpotThreshold((50, 60)),
    }
    for name, threshold in same.items():
        assert found[name].any()
        np.testing.assert_array_equal(found[name], expected(threshold, image))
    assert len({f.tobytes() for f in found.values()}) == 4


@pytest.mark.parametrize(
    ("algorithm", "changed"),
    [
        ("dispersion", {"gain": 8.0}),
        ("dispersion", {"kernel_size": (2, 5)}),
        ("dispersion", {"sigma_background": 30.0}),
        ("dispersion", {"sigma_strong": 9.0}),
        ("dispersion", {"min_local": 0}),
        ("dispersion", {"global_threshold": 90.0}),
        ("radial_profile", {"n_iqr": 1.5}),
        ("radial_profile", {"blur": "narrow"}),
        ("radial_profile", {"blur": "wide"}),
        ("radial_profile", {"n_bins": 3}),
        ("helen", {"exp_spot_dimension": 5}),
        ("helen", {"global_threshold": 290.0}),
        ("helen", {"min_blob_score": 0.9}),
        ("helen", {"num_passes": 2}),
    ],
)
def test_each_parameter(algorithm: str, changed: dict[str, Any]) -> None:
    before = strong_pixels(algorithm=algorithm)
    assert (strong_pixels(algorithm=algorithm, **{algorithm: changed}) != before).any()


def test_gain_of_the_panel_and_of_the_parameters_multiply() -> None:
    both = strong_pixels(algorithm="dispersion", gain=2.0, dispersion={"gain": 3.0})
    np.testing.assert_array_equal(both, strong_pixels(algorithm="dispersion", gain=6.0))
    assert (both != strong_pixels(algorithm="dispersion")).any()


def test_an_automatic_global_threshold() -> None:
    loose = {"sigma_background": 0.0, "sigma_strong": 0.0}
    found = strong_pixels(algorithm="dispersion", dispersion={**loose, "global_threshold": None})
    limit = estimate_global_threshold(frame())
    fixed = strong_pixels(algorithm="dispersion", dispersion={**loose, "global_threshold": limit})
    np.testing.assert_array_equal(found, fixed)
    assert (found != strong_pixels(algorithm="dispersion", dispersion=loose)).any()


def test_a_gain_of_each_pixel_is_that_of_dispersion() -> None:
    gain = np.where(np.arange(60) < 30, 1.0, 4.0) * np.ones((50, 1))
    found = strong_pixels(algorithm="dispersion", gain=gain)
    for half, one in ((np.s_[:, :26], 1.0), (np.s_[:, 34:], 4.0)):
        np.testing.assert_array_equal(
            found[half], strong_pixels(algorithm="dispersion", gain=one)[half]
        )


def test_a_gain_of_each_pixel_divides_what_radial_profile_sees() -> None:
    gain = np.where(np.arange(60) < 30, 1.0, 4.0) * np.ones((50, 1))
    threshold = RadialProfileThreshold(rings_of(PANEL, BEAM, 100), gain=gain, quantum=0.5)
    found = strong_pixels(algorithm="radial_profile", gain=gain)
    np.testing.assert_array_equal(found, expected(threshold, frame()))
    assert (found != strong_pixels(algorithm="radial_profile")).any()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_of_a_region(algorithm: str) -> None:
    region = (10, 45, 5, 50)
    found = strong_pixels(algorithm=algorithm, region=region)
    assert found.shape == (45, 35)
    corner = PANEL.origin[0] + 1.0, PANEL.origin[1] - 0.5, PANEL.origin[2]
    cut = replace(PANEL, origin=corner, image_size=(35, 45))
    parameters = ThresholdParameters(algorithm=algorithm)
    image = frame()[5:50, 10:45].copy()
    np.testing.assert_array_equal(
        found, expected(threshold_of(cut, BEAM, image.dtype, parameters), image)
    )


def test_only_radial_profile_is_of_one_panel() -> None:
    ours = [a for a in ALGORITHMS if is_of_one_panel(ThresholdParameters(algorithm=a))]
    assert ours == ["radial_profile"]


@pytest.mark.parametrize("algorithm", ["radial_profile", "helen"])
def test_panels_of_one_shape_each_have_their_own_rings(algorithm: str) -> None:
    frames = np.stack([np.hstack([frame(), frame()])] * 2)
    halves = (
        replace(PANEL, gain=1.0, trusted_range=(-1.0, 65535.0)),
        replace(
            PANEL,
            gain=1.0,
            origin=(20.0, 2.5, -60.0),
            offset=(60, 0),
            trusted_range=(-1.0, 65535.0),
        ),
    )
    parameters = SpotfinderParameters(threshold={"algorithm": algorithm})
    together = find_spots(frames, experiment_for(frames, panels=halves), parameters=parameters)
    for i, panel in enumerate(halves):
        alone = frames[:, :, panel.slices[1]]
        one = replace(panel, offset=(0, 0))
        found = find_spots(alone, experiment_for(alone, panels=(one,)), parameters=parameters)
        rows = together.reflections["panel"] == i
        assert len(found.reflections["x"]) > 3
        for name in ("x", "y", "z", "n_pixels", "intensity_sum"):
            np.testing.assert_array_equal(together.reflections[name][rows], found.reflections[name])
