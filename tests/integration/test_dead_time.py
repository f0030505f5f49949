"""Photons that pixels lose within their dead time: restored, with honest errors, and stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError, ParameterError
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.dead_time import excess_variance, restore
from dxdask.models import Detector, Experiment
from dxdask.models.count_rate import CountRate

pytestmark = pytest.mark.jit
EXPOSURE, TAU = 0.1, 1e-6
BUSY = TAU / EXPOSURE


def restored(counts, busy=BUSY, *, paralyzable=False, highest=1e9) -> np.ndarray:
    out = np.empty(len(counts))
    restore(np.asarray(counts, dtype=np.float64), busy, paralyzable, highest, out)
    return out


def counted(n: float, busy: float, rng: np.random.Generator, *, paralyzable: bool) -> np.ndarray:
    """Return the counts of 4000 exposures of one pixel, photon by photon; the exposure is 1."""
    size = int(n + 12 * np.sqrt(n)) + 10
    gaps = rng.exponential(1.0 / n, (4000, size))
    if not paralyzable:
        # the next photon is counted after the dead time and a gap of its own
        return (np.cumsum(gaps + busy, axis=1) - busy <= 1.0).sum(axis=1)
    arrivals = np.cumsum(gaps, axis=1)
    return ((arrivals <= 1.0) & (gaps > busy)).sum(axis=1)


@pytest.mark.parametrize("paralyzable", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.25])
def test_counts_of_a_counter_give_its_photons_and_their_variance(paralyzable, share):
    """Photon by photon: mean and variance of what is restored, of counters of both kinds."""
    n = 800.0
    m = counted(n, share / n, np.random.default_rng(3), paralyzable=paralyzable)
    photons = restored(m, share / n, paralyzable=paralyzable)
    variance = n + excess_variance(n, share / n, paralyzable)
    assert abs(photons.mean() - n) < 4 * np.sqrt(variance / len(m)) + 0.6
    assert photons.var() == pytest.approx(variance, rel=0.09)


@given(st.floats(0.0, 5000.0), st.floats(1e-9, 1e-4), st.booleans())
@settings(deadline=None)
def test_restored_photons_are_those_of_the_counts(n, busy, paralyzable):
    n = min(n, 0.9 / busy)
    m = n * np.exp(-n * busy) if paralyzable else n / (1.0 + n * busy)
    np.testing.assert_allclose(restored([m], busy, paralyzable=paralyzable), n, rtol=1e-9)
    np.testing.assert_array_equal(restored([-3.0, 0.0], busy, paralyzable=paralyzable), [-3, 0])


def with_rate(e: Experiment, rate: CountRate | None, exposure: float = EXPOSURE) -> Experiment:
    panels = [replace(p, count_rate=rate or CountRate()) for p in e.detector.panels]
    times = (exposure,) if exposure else ()
    return replace(
        e,
        detector=Detector(panels=tuple(panels), root=e.detector.root),
        scan=replace(e.scan, exposure_times=times),
    )


@pytest.fixture(scope="module")
def painted() -> Painted:
    """Frames of strong reflections, of which pixels lose up to a fifth."""
    p = paint(experiment(n_images=10, n_sigma=4.5), mean=2e4)
    rng = np.random.default_rng(7)
    m = p.expected / (1.0 + p.expected * BUSY)
    sigma = np.sqrt(m) * (1.0 - m * BUSY)
    few = rng.poisson(m)
    frames = np.where(m < 100, few, np.rint(rng.normal(m, sigma))).astype(np.uint16)
    assert 0.1 < (p.expected.max() * BUSY) < 0.6
    return replace(p, frames=frames)


def integrated(p: Painted, e: Experiment, **given):
    parameters = IntegrationParameters.model_validate({"corrections": given})
    result = integrate(p.frames, p.mask, e, p.predicted, parameters)
    (line,) = (m for m in result.messages if "ount rate" in m)
    return result.reflections, line


def deviations(p: Painted, r: dict, kind: str) -> tuple[np.ndarray, np.ndarray]:
    good = has_flag(r, Flag.INTEGRATED_SUM) & has_flag(r, Flag.INTEGRATED_PRF)
    good &= (r["partiality"] > 0.99) & ~has_flag(r, Flag.OVERLAPPED_FG) & (p.intensity > 1e4)
    off = r[f"intensity_{kind}"] - p.intensity * r["partiality"]
    return off[good] / np.sqrt(r[f"intensity_{kind}_variance"][good]), (off / p.intensity)[good]


def test_intensities_of_frames_with_a_dead_time_are_right(painted):
    e = with_rate(painted.experiment, CountRate(dead_time=TAU, is_corrected=False))
    r, line = integrated(painted, e)
    assert line == " Count rate corrected for a dead time of 1000 ns (non-paralyzable)"
    z, off = deviations(painted, r, "sum")
    assert len(z) > 50
    assert abs(z.mean()) < 0.35
    assert 0.85 < z.std() < 1.15
    assert abs(np.median(off)) < 0.002
    raw, line = integrated(painted, e, count_rate=False)
    assert line == " Count rate not corrected (corrections.count_rate=false)"
    assert np.median(deviations(painted, raw, "sum")[1]) < -0.015
    assert np.median(np.abs(deviations(painted, r, "prf")[1])) < 0.02


def test_variances_are_those_of_restored_photons(painted):
    e = with_rate(painted.experiment, CountRate(dead_time=TAU))
    r, _ = integrated(painted, e)
    strong = has_flag(r, Flag.INTEGRATED_SUM) & (painted.intensity > 3e4)
    excess = r["intensity_sum_variance"] - np.abs(r["intensity_sum"]) - r["background_sum_variance"]
    ratio = excess[strong] / r["intensity_sum"][strong]
    assert (ratio >= 0).all()
    assert 0.01 < np.median(ratio) < 0.2


@pytest.mark.parametrize(
    ("rate", "exposure", "given", "said"),
    [
        (None, EXPOSURE, {}, "not corrected: the header gives no dead time"),
        (CountRate(dead_time=TAU, is_corrected=True), EXPOSURE, {},
         "corrected by the detector, as its header says"),
        (CountRate(dead_time=2e-3), EXPOSURE, {}, "a dead time of 0.002 s is of no pixel"),
        (CountRate(dead_time=TAU), 0.0, {}, "not corrected: the exposure time is not known"),
    ],
)  # fmt: skip
def test_counts_stay_where_nothing_is_to_be_done_and_why_is_stated(
    painted, rate, exposure, given, said
):
    e = with_rate(painted.experiment, rate, exposure)
    r, line = integrated(painted, e, **given)
    assert said in line
    same, _ = integrated(painted, e, count_rate=False)
    np.testing.assert_array_equal(r["intensity_sum"], same["intensity_sum"])
    with pytest.raises(InputError, match=r"give corrections\.dead_time or"):
        integrated(painted, e, count_rate=True)


def test_a_dead_time_may_be_given(painted):
    known = with_rate(painted.experiment, CountRate(dead_time=TAU))
    given = with_rate(painted.experiment, None)
    one, _ = integrated(painted, known)
    two, _ = integrated(painted, given, dead_time=TAU)
    np.testing.assert_array_equal(one["intensity_prf"], two["intensity_prf"])
    with pytest.raises((ParameterError, ValueError)):
        integrated(painted, given, dead_time=-1.0)


def test_pixels_near_the_highest_rate_are_saturated(painted):
    e = with_rate(painted.experiment, CountRate(dead_time=EXPOSURE / 2000.0))
    r, _ = integrated(painted, e)
    assert (r["n_saturated"] > 0).any()
    assert np.isfinite(r["intensity_sum"]).all()
    assert not has_flag(r, Flag.INTEGRATED_SUM)[r["n_saturated"] > 0].any()


def test_the_same_in_any_blocks(painted):
    e = with_rate(painted.experiment, CountRate(dead_time=TAU, is_paralyzable=True))
    context = integration_context(painted.predicted, e, IntegrationParameters())
    whole = sum_block(painted.frames, 0, context, painted.mask)
    parts = [
        sum_block(painted.frames[a : a + 3], a, context, painted.mask) for a in range(0, 10, 3)
    ]
    both = combine_sums(parts, context.background)
    np.testing.assert_array_equal(whole.sums, both.sums)


def test_the_model_goes_through_json():
    e = with_rate(experiment(), CountRate(dead_time=TAU, is_corrected=False))
    assert Detector.from_dict(e.detector.to_dict()) == e.detector
    plain = experiment().detector.to_dict()
    assert all("count_rate" not in p for p in plain["panels"])
    with pytest.raises(InputError, match="is not possible"):
        CountRate(dead_time=-1.0)
