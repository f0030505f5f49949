"""Counts with a gain and a pedestal, of panels or of pixels, give the intensities of photons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.photons import PARTS, photons_of
from dxdask.models import Detector, Experiment
from dxdask.models.pixel_maps import PixelMaps

pytestmark = pytest.mark.jit

VALUES = (
    "intensity_sum",
    "intensity_sum_variance",
    "intensity_prf",
    "intensity_prf_variance",
    "background_mean",
    "background_sum",
)


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(n_images=8, panels=2))


@pytest.fixture(scope="module")
def photons(painted):
    return integrated(painted.frames, painted.experiment, painted)


def integrated(frames, experiment, painted, maps=None):
    return integrate(frames, painted.mask, experiment, painted.predicted, maps=maps).reflections


def with_panels(e: Experiment, *, gain=1.0, pedestal=0.0, **given) -> Experiment:
    """Return the experiment with other panels; gain and pedestal may be one of each panel."""
    n = len(e.detector)
    gains, pedestals = np.broadcast_to(gain, n), np.broadcast_to(pedestal, n)
    panels = [
        replace(
            p,
            gain=float(g),
            pedestal=float(b),
            trusted_range=tuple(float(v * g + b) for v in p.trusted_range),
        )
        for p, g, b in zip(e.detector.panels, gains, pedestals, strict=True)
    ]
    return replace(e, detector=Detector(panels=tuple(replace(p, **given) for p in panels)))


def assert_equal(found, right, *, relative=1e-3):
    np.testing.assert_array_equal(found["flags"], right["flags"])
    sigma = np.sqrt(right["intensity_sum_variance"])
    for name in ("intensity_sum", "intensity_prf"):
        assert np.abs(found[name] - right[name]).max() <= 0.02 * sigma.max(), name
    for name in VALUES:
        np.testing.assert_allclose(found[name], right[name], rtol=relative, atol=0.05, err_msg=name)
    np.testing.assert_allclose(
        found["background_mean"], right["background_mean"], rtol=1e-3, atol=2e-3
    )


def stored(painted: Painted, gain, pedestal, dtype) -> np.ndarray:
    return (painted.frames * np.asarray(gain) + np.asarray(pedestal)).astype(dtype)


@pytest.mark.parametrize(
    ("gain", "pedestal", "dtype"),
    [
        (4, 0, np.uint32),
        (1, 1000, np.uint16),
        (1, -5, np.int32),
        (3, 100, np.int32),
        (0.25, 0.5, np.float32),
        (7.3, 41.7, np.float64),
        (1, 0, np.float32),
        ((2, 5), (10, 700), np.int64),
    ],
)
def test_panels_with_gain_and_pedestal(painted, photons, gain, pedestal, dtype):
    rows = painted.experiment.detector.panel_map(painted.mask.shape)
    gains, pedestals = (np.broadcast_to(v, 2)[rows] for v in (gain, pedestal))
    counts = stored(painted, gains, pedestals, dtype)
    e = with_panels(painted.experiment, gain=gain, pedestal=pedestal)
    assert_equal(integrated(counts, e, painted), photons)


def test_whole_photons_are_exact(painted, photons):
    """Results of whole photons are the same to the last bit."""
    e = with_panels(painted.experiment, gain=4, pedestal=100)
    found = integrated(stored(painted, 4, 100, np.int32), e, painted)
    for name in VALUES:
        np.testing.assert_array_equal(found[name], photons[name], err_msg=name)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    gain=st.floats(0.3, 40.0),
    spread=st.floats(0.0, 0.3),
    pedestal=st.floats(-200.0, 2000.0),
)
def test_maps_of_pixels(painted, photons, seed, gain, spread, pedestal):
    rng = np.random.default_rng(seed)
    shape = painted.mask.shape
    gains = gain * np.exp(spread * rng.uniform(-1, 1, shape))
    pedestals = pedestal + 30.0 * rng.standard_normal(shape)
    e = with_panels(painted.experiment, gain=99.0, pedestal=99.0, trusted_range=(-np.inf, np.inf))
    plain = with_panels(painted.experiment, trusted_range=(-np.inf, np.inf))
    counts = stored(painted, gains, pedestals, np.float64)
    found = integrated(counts, e, painted, PixelMaps(gain=gains, pedestal=pedestals))
    assert_equal(found, integrated(painted.frames, plain, painted))


def test_map_of_gain_keeps_pedestals_of_panels(painted, photons):
    e = with_panels(painted.experiment, gain=4, pedestal=100)
    e = with_panels(e, gain=4, pedestal=100, trusted_range=e.detector[0].trusted_range)
    counts = stored(painted, 4, 100, np.int32)
    found = integrated(counts, e, painted, PixelMaps(gain=np.full(painted.mask.shape, 4.0)))
    assert_equal(found, photons)


def test_trusted_range_is_of_counts(painted):
    """Pixels are saturated by their counts, on each panel by its own range."""
    e = with_panels(painted.experiment, gain=4, pedestal=100)
    top = 4 * 60 + 100.0
    panels = e.detector.panels
    e = replace(
        e,
        detector=Detector(
            panels=(replace(panels[0], trusted_range=(99.0, top)), replace(panels[1]))
        ),
    )
    found = integrated(stored(painted, 4, 100, np.int32), e, painted)
    right = integrated(
        painted.frames,
        replace(
            painted.experiment,
            detector=Detector(
                panels=(
                    replace(painted.experiment.detector[0], trusted_range=(-0.25, 60.0)),
                    painted.experiment.detector[1],
                )
            ),
        ),
        painted,
    )
    np.testing.assert_array_equal(found["flags"], right["flags"])
    on_first = found["panel"] == 0
    assert has_flag(found, Flag.OVERLOADED)[on_first].any()
    assert not has_flag(found, Flag.OVERLOADED)[~on_first].any()


def test_nan_is_invalid_and_counts_below_zero_are_not(painted):
    e = with_panels(painted.experiment, trusted_range=(-np.inf, np.inf))
    counts = painted.frames.astype(np.float32)
    at = int(np.argmax(painted.intensity))
    x, y = (int(painted.predicted[n][at]) for n in ("x_cal", "y_cal"))
    y += painted.experiment.detector[int(painted.predicted["panel"][at])].offset[1]
    counts[:, y, x] = np.nan
    found = integrated(counts, e, painted)
    assert has_flag(found, Flag.FOREGROUND_INCLUDES_BAD_PIXELS)[at]
    counts[:, y, x] = -3.0
    assert not has_flag(integrated(counts, e, painted), Flag.FOREGROUND_INCLUDES_BAD_PIXELS)[at]


def test_sums_are_the_same_for_any_blocks(painted):
    e = with_panels(painted.experiment, gain=3.3, pedestal=17.2)
    context = integration_context(painted.predicted, e, IntegrationParameters())
    frames = stored(painted, 3.3, 17.2, np.float32)
    whole = sum_block(frames, 0, context, painted.mask)
    assert whole.unit == PARTS
    parts = [sum_block(frames[i : i + 3], i, context, painted.mask) for i in range(0, 8, 3)]
    joined = combine_sums(parts[::-1], context.background)
    for name in ("rows", "sums", "background", "n_background", "unit"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name), err_msg=name)


def test_counts_that_are_photons_are_added_up_as_they_are(painted):
    found = photons_of(painted.experiment.detector)
    assert found.scaled(np.dtype(np.uint16)) is None
    assert found.scaled(np.dtype(np.float32)) is not None
    zero = photons_of(with_panels(painted.experiment, gain=0.0).detector)
    assert zero.gain.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_gains_that_cannot_be(painted, value):
    gains = np.ones(painted.mask.shape)
    gains[3, 4] = value
    with pytest.raises(InputError, match="mask them"):
        photons_of(painted.experiment.detector, PixelMaps(gain=gains))
    with pytest.raises(InputError, match="pedestal"):
        photons_of(painted.experiment.detector, PixelMaps(pedestal=np.zeros((3, 3))))
