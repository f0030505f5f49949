"""Centres of mean images whose scattering is weak, broad, shadowed or has gaps.

A centre is either right within its uncertainty or refused, with figures and what to do.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scattering_images import SHAPE, diffuse

from dxdask.errors import ConvergenceError
from dxdask.indexing.search_beam_position.frame_centre import FrameCentre, centre_on_plane
from dxdask.indexing.search_beam_position.parameters import ON_FRAMES, Projection

CENTRE = np.array([512.3, 471.8])
SLOW, FAST = np.indices(SHAPE) + 0.5
METHODS = pytest.mark.parametrize("method", ON_FRAMES)
WITHIN = {"midpoint": 0.5, "maximum": 1.0}
"""px, of strong scattering; the bins are 20 px wide."""


def found(image, method, **given) -> FrameCentre:
    return centre_on_plane(image, method, Projection(**given))


def right_or_refused(image, method) -> bool:
    """Return whether a centre was found; it is then right."""
    try:
        centre = found(image, method)
    except ConvergenceError:
        return False
    off = np.abs(centre.place - CENTRE)
    assert np.all(off < np.maximum(WITHIN[method], 3.0 * centre.uncertainty)), (
        off,
        centre.uncertainty,
    )
    return True


@METHODS
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("width", [60.0, 120.0, 200.0])
def test_strong_scattering_is_found(method, seed, width):
    centre = found(diffuse(CENTRE, width=width, seed=seed, images=10, gap=(0, 0)), method)
    np.testing.assert_allclose(centre.place, CENTRE, atol=WITHIN[method])
    assert np.all(centre.uncertainty < 1.5)


@METHODS
@pytest.mark.parametrize(
    "image",
    [
        diffuse(CENTRE, peak=0.0, background=3.0),
        diffuse(CENTRE, peak=0.0, background=0.01),
        diffuse(CENTRE, peak=0.01, background=1.0),
        diffuse(CENTRE, peak=1e-3, background=0.0),
        diffuse(CENTRE, peak=1.0, width=1e5, background=1.0),
        diffuse(CENTRE, peak=1.0, width=3000.0, background=5.0),
        np.ones(SHAPE),
        np.zeros(SHAPE),
        np.tile(np.arange(1000.0), (1000, 1)),
    ],
    ids=["flat", "few counts", "weak", "weakest", "broadest", "broad", "ones", "zeros", "ramp"],
)
def test_weak_broad_and_flat_scattering_is_refused(method, image):
    with pytest.raises(ConvergenceError, match="not determined") as error:
        found(image, method)
    assert "method=default" in str(error.value)
    assert "fast_slow_beam_centre" in str(error.value)


@METHODS
def test_a_refusal_has_figures(method):
    with pytest.raises(ConvergenceError, match=r"\d"):
        found(diffuse(CENTRE, peak=0.2, width=500.0, background=2.0), method)
    strong = diffuse(CENTRE)
    with pytest.raises(ConvergenceError, match=r"projection.max_uncertainty=0.001") as error:
        found(strong, method, max_uncertainty=0.001)
    assert "512" in str(error.value)


@METHODS
@pytest.mark.parametrize("peak", [0.02, 0.05, 0.1, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("width", [50.0, 150.0, 400.0])
def test_the_centre_of_weaker_and_broader_scattering_is_right_or_refused(method, peak, width):
    right_or_refused(diffuse(CENTRE, peak=peak, width=width, background=0.5), method)


@METHODS
@pytest.mark.parametrize("edge", [530, 580, 650, 750, 900])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_shadow_of_one_side_does_not_move_the_centre_in_silence(method, edge, axis):
    image = diffuse(CENTRE)
    image[(FAST, SLOW)[axis] > edge] *= 0.3
    assert right_or_refused(image, method) or edge < 900


@METHODS
def test_a_shadow_of_a_corner_does_not_move_the_centre_in_silence(method):
    image = diffuse(CENTRE)
    image[(FAST > 560) & (SLOW > 540)] *= 0.2
    right_or_refused(image, method)


@METHODS
@pytest.mark.parametrize("radius", [5.0, 40.0, 80.0])
def test_a_beam_stop_with_an_arm_leaves_the_centre(method, radius):
    image = diffuse(CENTRE, stop_px=radius)
    image[(np.abs(SLOW - CENTRE[1]) < 12) & (CENTRE[0] < FAST)] = np.nan
    np.testing.assert_allclose(found(image, method).place, CENTRE, atol=WITHIN[method])


@METHODS
def test_a_beam_stop_that_is_not_masked_leaves_the_centre(method):
    image = diffuse(CENTRE)
    image[np.hypot(FAST - CENTRE[0], SLOW - CENTRE[1]) < 30] = 0.0
    image[(np.abs(SLOW - CENTRE[1]) < 12) & (CENTRE[0] < FAST)] = 0.0
    assert right_or_refused(image, method) or method == "maximum"


@METHODS
@pytest.mark.parametrize("gap", [(462, 482), (440, 476), (471, 508)])
def test_gaps_of_modules_across_the_centre_leave_it(method, gap):
    image = diffuse(CENTRE, gap=gap)
    image[:, 487:494] = np.nan
    image[:, 981:988] = np.nan
    np.testing.assert_allclose(found(image, method).place, CENTRE, atol=1.5)


@METHODS
def test_a_centre_off_the_image_is_refused(method):
    for centre in ((-40.0, 500.0), (500.0, 1010.0)):
        with pytest.raises(ConvergenceError, match="not determined"):
            found(diffuse(centre, gap=(0, 0)), method)


@METHODS
@settings(max_examples=6, deadline=None)
@given(
    at=st.tuples(st.floats(350.0, 650.0), st.floats(350.0, 650.0)),
    peak=st.floats(0.01, 50.0), width=st.floats(40.0, 400.0), seed=st.integers(0, 1000),
)  # fmt: skip
def test_centres_are_within_their_uncertainty_or_refused(method, at, peak, width, seed):
    image = diffuse(at, peak=peak, width=width, background=0.3, seed=seed, gap=(300, 317))
    try:
        centre = found(image, method)
    except ConvergenceError:
        return
    off = np.abs(centre.place - np.array(at))
    assert np.all(off < np.maximum(1.0, 4.0 * centre.uncertainty)), (off, centre.uncertainty)
