"""Peaks of made-up frames whose places and heights are known."""

from dataclasses import replace

import numpy as np
import pytest

from dxdask.columns import check
from dxdask.errors import InputError
from dxdask.hits import HitParameters, Peakfinder8
from dxdask.hits.rings import beam_rings, ring_thresholds
from dxdask.models import Beam, Detector, Experiment, Panel

SHAPE = (240, 120)


def experiment(**values):
    """Return two panels of 120 x 120 pixels, one above the other in the frame, beside the beam."""
    panels = tuple(
        Panel(
            name=f"p{i}", origin=(x, 6.0, -100.0), fast_axis=(1.0, 0.0, 0.0),
            slow_axis=(0.0, -1.0, 0.0), pixel_size=(0.1, 0.1), image_size=(120, 120),
            offset=(0, 120 * i), trusted_range=(-1.0, 60000.0), **values,
        )
        for i, x in enumerate((-13.0, 1.0))
    )  # fmt: skip
    return Experiment(
        identifier="e", run="r", beam=Beam(wavelength=1.3), detector=Detector(panels=panels)
    )


def background(level=50.0, seed=0):
    """Return a frame of Poisson counts that fall off from the beam."""
    rings = beam_rings(experiment().detector, Beam(), np.ones(SHAPE, bool), 10**6)
    mean = level * np.exp(-rings.ring / 60.0) + 2.0
    return np.random.default_rng(seed).poisson(mean).astype(np.int32)


def with_peaks(frame, places, height=200):
    """Return the frame with peaks 3 x 3, twice as high in the middle, at (y, x) of the frame."""
    frame = frame.copy()
    for y, x in places:
        frame[y - 1 : y + 2, x - 1 : x + 2] += height
        frame[y, x] += height
    return frame


PLACES = [(20, 30), (60, 100), (90, 15), (150, 60), (200, 90)]


def test_peaks_where_they_were_put():
    found = check(Peakfinder8(experiment())(with_peaks(background(), PLACES), 4))
    assert found["panel"].tolist() == [0, 0, 0, 1, 1]
    assert found["x"] == pytest.approx([x + 0.5 for _, x in PLACES], abs=0.1)
    assert found["y"] == pytest.approx([y % 120 + 0.5 for y, _ in PLACES], abs=0.1)
    assert np.all(found["z"] == 4.5)
    assert found["n_pixels"].tolist() == [9] * 5
    assert found["intensity_sum"] == pytest.approx([2000.0] * 5, rel=0.05)
    assert found["bbox"][0].tolist() == [29, 32, 19, 22, 4, 5]
    rings = beam_rings(experiment().detector, Beam(), np.ones(SHAPE, bool), 10**6)
    expected = [50.0 * np.exp(-rings.ring[p] / 60.0) + 2.0 for p in PLACES]
    assert found["background_mean"] == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_whatever_the_numbers_are_kept_as(dtype):
    frame = with_peaks(background(), PLACES)
    expected = Peakfinder8(experiment())(frame, 0)
    found = Peakfinder8(experiment())(frame.astype(dtype), 0)
    assert all(np.array_equal(found[k], expected[k]) for k in expected)


def test_no_peaks_on_background():
    finder = Peakfinder8(experiment())
    assert max(len(finder(background(seed=s), 0)["x"]) for s in range(10)) == 0
    assert len(finder(np.zeros(SHAPE, np.int32), 0)["x"]) == 0


def test_a_finder_forgets_the_frame_before():
    finder = Peakfinder8(experiment())
    frame = with_peaks(background(), PLACES)
    first = finder(frame, 0)
    assert len(finder(background(), 0)["x"]) == 0
    again = finder(frame, 0)
    assert all(np.array_equal(first[k], again[k]) for k in first)


def test_thresholds_are_those_of_numpy():
    frame = with_peaks(background(), PLACES)
    rings = beam_rings(experiment().detector, Beam(), np.ones(SHAPE, bool), 10**6)
    out = np.empty(len(rings.offsets) - 1)
    ring_thresholds(frame.reshape(-1), rings.sample, rings.offsets, 5.0, 0.0, out)
    for r in range(0, len(out), 7):
        values = frame[rings.ring == r].astype(float)
        kept = values
        for _ in range(5):
            mean, sigma = kept.mean(), kept.std()
            kept = values[(values >= mean - 5.0 * sigma) & (values <= mean + 5.0 * sigma)]
        assert out[r] == pytest.approx(mean + 5.0 * sigma, rel=1e-9)


def test_a_sample_of_rings_is_even_and_of_the_size_given():
    mask = np.ones(SHAPE, bool)
    mask[10:20] = False
    rings = beam_rings(experiment().detector, Beam(), mask, 40)
    assert np.diff(rings.offsets).max() == 40
    assert mask.reshape(-1)[rings.sample].all()
    place = np.repeat(np.arange(len(rings.offsets) - 1), np.diff(rings.offsets))
    assert np.array_equal(rings.ring.reshape(-1)[rings.sample], place)
    assert np.all(rings.ring[10:20] == -1)


def test_masked_and_untrusted_pixels_are_not_of_peaks():
    frame = with_peaks(background(), PLACES)
    mask = np.ones(SHAPE, bool)
    mask[18:23, 28:33] = False
    assert len(Peakfinder8(experiment(), mask)(frame, 0)["x"]) == 4
    rectangle = experiment(mask=((28, 18, 33, 23),))
    assert len(Peakfinder8(rectangle)(frame, 0)["x"]) == 4
    hot = frame.copy()
    hot[19:22, 29:32] = 65000
    hot[0, 0] = -7
    found = Peakfinder8(experiment())(hot, 0)
    assert len(found["x"]) == 4
    assert found["x"][0] == pytest.approx(PLACES[1][1] + 0.5, abs=0.1)


def number(frame, **values):
    own = {k: v for k, v in values.items() if k not in ("preset",)}
    rest = {k: v for k, v in values.items() if k in ("preset",)}
    parameters = HitParameters.model_validate({"peakfinder8": own, **rest})
    return len(Peakfinder8(experiment(), None, parameters)(frame, 0)["x"])


def test_every_parameter_counts():
    frame = with_peaks(background(), PLACES[:3])
    frame = with_peaks(frame, PLACES[3:], height=60)
    assert number(frame) == 5
    assert number(frame, threshold=150.0) == 3
    assert number(frame, min_snr=60.0) < 5
    assert number(frame, min_pixels=10) == 0
    assert number(frame, max_pixels=8) == 0
    assert number(frame, max_peaks=2) == 4
    # the noise of a ring is less well known from a few of its pixels
    sampled = [number(background(seed=i), ring_pixels=10, min_snr=3.0) for i in range(3)]
    whole = [number(background(seed=i), ring_pixels=10**5, min_snr=3.0) for i in range(3)]
    assert sum(sampled) > sum(whole)


def test_surroundings_of_the_radius_given():
    frame = background(level=0.0)
    frame[:] = 2
    frame[::2, ::2] = 3
    frame = with_peaks(frame, [(60, 60)])
    frame[60 - 7, 60] = 5
    means = []
    for radius in (3, 5):
        parameters = HitParameters.model_validate(
            {"peakfinder8": {"local_bg_radius": radius, "threshold": 20.0}}
        )
        (mean,) = Peakfinder8(experiment(), None, parameters)(frame, 0)["background_mean"]
        means.append(mean)
        y, x = np.mgrid[:120, :120]
        around = (y - 60) ** 2 + (x - 60) ** 2 <= (2 * radius) ** 2
        around &= (np.abs(y - 60) > 1) | (np.abs(x - 60) > 1)
        assert mean == pytest.approx(frame[:120][around].mean())
    assert means[0] != means[1]


def test_presets_ask_more_or_less():
    frame = background()
    rng = np.random.default_rng(1)
    for y, x in zip(rng.integers(5, 235, 60), rng.integers(5, 115, 60), strict=True):
        frame[y, x : x + 2] += 30
    counts = [number(frame, preset=p) for p in ("permissive", "default", "restrictive")]
    assert counts[0] > counts[1] > counts[2]
    asked = [HitParameters(preset=p).effective.min_peaks for p in ("permissive", "default")]
    assert asked == [10, 16]
    assert HitParameters(preset="permissive", min_peaks=3).effective.min_peaks == 3


def test_no_peak_starts_at_the_edge_of_a_panel():
    frame = background()
    frame[0, 50:53] += 500
    frame[119:121, 70] += 500
    assert number(frame, min_pixels=1) == 0


def test_backward_panels_and_the_direct_beam_do_no_harm():
    made = experiment()
    first = replace(made.detector.panels[0], origin=(-6.0, 6.0, -100.0))
    behind = replace(made.detector.panels[1], origin=(1.0, 6.0, 50.0))
    turned = replace(made, detector=Detector(panels=(first, behind)))
    frame = with_peaks(background(level=0.0), PLACES[:2])
    assert len(Peakfinder8(turned)(frame, 0)["x"]) == 2


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match="mask"):
        Peakfinder8(experiment(), np.ones((10, 10), bool))
    with pytest.raises(InputError, match="frame"):
        Peakfinder8(experiment())(np.zeros((10, 10), np.int32), 0)
