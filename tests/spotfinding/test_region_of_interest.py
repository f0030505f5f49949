"""A region of interest is what DIALS makes of it: the frame cut to it, not masked around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dxdask.errors import InputError
from dxdask.models import Beam, Detector, Experiment, Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots

PANEL = Panel(image_size=(90, 80), origin=(-4.5, 4.0, -50.0), trusted_range=(-1.0, 1e6))
REGION = (12, 70, 9, 61)  # x0, x1, y0, y1


def experiment(*panels: Panel) -> Experiment:
    return Experiment(identifier="0", run="a", beam=Beam(), detector=Detector(panels=panels))


def frames() -> np.ndarray:
    rng = np.random.default_rng(5)
    made = rng.poisson(2.0, (3, 80, 90))
    for _ in range(120):
        z, y, x = rng.integers(0, 3), rng.integers(0, 77), rng.integers(0, 87)
        made[z, y : y + 3, x : x + 3] += rng.integers(4, 60)
    return made.astype(np.uint16)


@pytest.mark.parametrize("algorithm", ["dispersion", "dispersion_extended", "radial_profile"])
def test_it_is_the_spots_of_the_frame_cut_to_it(algorithm: str) -> None:
    x0, x1, y0, y1 = REGION
    given = {"threshold": {"algorithm": algorithm}}
    whole = frames()
    found = find_spots(
        whole,
        experiment(PANEL),
        None,
        SpotfinderParameters(region_of_interest=REGION, **given),
    )
    origin = np.asarray(PANEL.origin) + 0.1 * (x0 * np.array([1, 0, 0]) - y0 * np.array([0, 1, 0]))
    cut = replace(PANEL, image_size=(x1 - x0, y1 - y0), origin=tuple(origin.tolist()))
    alone = find_spots(
        np.ascontiguousarray(whole[:, y0:y1, x0:x1]),
        experiment(cut),
        None,
        SpotfinderParameters(**given),
    )
    a, b = found.reflections, alone.reflections
    assert len(a["x"]) > 10
    np.testing.assert_allclose(a["x"], b["x"] + x0, atol=1e-9)
    np.testing.assert_allclose(a["y"], b["y"] + y0, atol=1e-9)
    for name in ("z", "n_pixels", "peak", "intensity_sum"):
        np.testing.assert_array_equal(a[name], b[name])
    everywhere = find_spots(whole, experiment(PANEL), None, SpotfinderParameters(**given))
    assert len(everywhere.reflections["x"]) > len(a["x"])


def test_each_panel_has_it() -> None:
    other = replace(PANEL, offset=(100, 0))
    both = np.concatenate([frames(), np.zeros((3, 80, 10), np.uint16), frames()], axis=2)
    parameters = SpotfinderParameters(region_of_interest=REGION)
    one = find_spots(frames(), experiment(PANEL), None, parameters).reflections
    two = find_spots(both, experiment(PANEL, other), None, parameters).reflections
    for panel in (0, 1):
        np.testing.assert_array_equal(two["x"][two["panel"] == panel], one["x"])


@pytest.mark.parametrize("region", [(0, 91, 0, 5), (0, 5, 0, 81), (5, 5, 0, 5), (0, 5, 7, 3)])
def test_what_is_not_on_the_panel_is_refused(region: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"region_of_interest=.* 90 x 80"):
        find_spots(
            frames(), experiment(PANEL), None, SpotfinderParameters(region_of_interest=region)
        )
