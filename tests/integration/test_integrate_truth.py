"""Integration of frames whose intensities are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, check, has_flag
from dxdask.errors import InputError
from dxdask.integration import IntegrationParameters, integrate
from dxdask.models import Detector


@pytest.fixture(scope="module")
def painted() -> Painted:
    return paint(experiment())


@pytest.fixture(scope="module")
def result(painted):
    return integrate(painted.frames, painted.mask, painted.experiment, painted.predicted)


def alone(r):
    """Whole reflections that share no pixel with another."""
    return has_flag(r, Flag.INTEGRATED_SUM) & ~has_flag(r, Flag.OVERLAPPED_FG)


def test_sums_are_unbiased_and_their_variances_right(painted, result):
    r = check(result.reflections)
    rows = alone(r) & (r["partiality"] > 0.9999)
    assert rows.sum() > 300
    z = (r["intensity_sum"] - painted.intensity)[rows] / np.sqrt(r["intensity_sum_variance"][rows])
    assert abs(z.mean()) < 4 / np.sqrt(rows.sum())
    assert 0.9 < np.sqrt(np.mean(z**2)) < 1.1
    ratio = r["intensity_sum"][rows].sum() / painted.intensity[rows].sum()
    np.testing.assert_allclose(ratio, 1.0, atol=0.01)


def test_partials_hold_their_part(painted, result):
    r = result.reflections
    rows = alone(r) & (r["partiality"] > 0.05) & (r["partiality"] < 0.95)
    assert rows.sum() > 20
    expected = painted.intensity[rows] * r["partiality"][rows]
    z = (r["intensity_sum"][rows] - expected) / np.sqrt(r["intensity_sum_variance"][rows])
    assert abs(z.mean()) < 4 / np.sqrt(rows.sum())
    assert np.sqrt(np.mean(z**2)) < 1.3


def test_background_and_centroids(painted, result):
    r = result.reflections
    rows = alone(r) & (r["partiality"] > 0.9999) & (painted.intensity > 300)
    np.testing.assert_allclose(r["background_mean"][rows].mean(), painted.background, rtol=0.01)
    for axis, width in (("x", 0.1), ("y", 0.1), ("z", 0.1)):
        off = r[axis][rows] - r[f"{axis}_cal"][rows]
        assert abs(np.mean(off)) < 0.02
        assert np.std(off) < width


@pytest.mark.jit
def test_noiseless_frames_give_the_intensity_to_two_in_ten_thousand(painted):
    # frames are integers: 50 times the counts, their rounding makes 0.5 % of the weakest spots
    factor = 5000
    scaled = np.round(painted.expected * factor).astype(np.uint32)
    panel = replace(painted.experiment.detector[0], trusted_range=(-1.0, 1e9))
    e = replace(painted.experiment, detector=Detector(panels=(panel,)))
    r = integrate(scaled, painted.mask, e, painted.predicted).reflections
    rows = alone(r) & (r["partiality"] > 0.9999) & (painted.intensity > 100)
    np.testing.assert_allclose(
        r["intensity_sum"][rows] / painted.intensity[rows] / factor, 1.0, atol=2e-4
    )


@pytest.mark.jit
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint32, np.int64])
def test_any_integers_give_the_same(painted, result, dtype):
    r = integrate(painted.frames.astype(dtype), painted.mask, painted.experiment, painted.predicted)
    for name, values in result.reflections.items():
        np.testing.assert_array_equal(r.reflections[name], values)


@pytest.mark.jit
def test_a_masked_pixel_costs_the_reflections_that_own_it(painted, result):
    r = result.reflections
    good = np.flatnonzero(alone(r) & (r["partiality"] > 0.9999))[:5]
    mask = painted.mask.copy()
    for i in good:
        mask[int(r["y_cal"][i]), int(r["x_cal"][i])] = False
    new = integrate(painted.frames, mask, painted.experiment, painted.predicted).reflections
    bad = has_flag(new, Flag.FOREGROUND_INCLUDES_BAD_PIXELS)
    assert bad[good].all()
    assert (new["n_invalid"][good] > 0).all()
    assert not has_flag(new, Flag.INTEGRATED_SUM)[good].any()
    # the others are as they were, but for those that had the pixel in their background
    untouched = ~bad & ~has_flag(new, Flag.BACKGROUND_INCLUDES_BAD_PIXELS)
    np.testing.assert_array_equal(new["intensity_sum"][untouched], r["intensity_sum"][untouched])


@pytest.mark.jit
def test_masking_more_never_integrates_more(painted):
    rng = np.random.default_rng(5)
    mask, seen = painted.mask.copy(), None
    for _ in range(4):
        mask &= rng.random(mask.shape) > 0.002
        r = integrate(painted.frames, mask, painted.experiment, painted.predicted).reflections
        done = has_flag(r, Flag.INTEGRATED_SUM)
        assert seen is None or not (done & ~seen).any()
        seen = done


@pytest.mark.jit
def test_what_a_panel_rules_out_is_masked(painted):
    rectangles = ((20, 30, 60, 50), (200, 200, 300, 280))
    panel = replace(painted.experiment.detector[0], mask=rectangles)
    e = replace(painted.experiment, detector=Detector(panels=(panel,)))
    mask = painted.mask.copy()
    mask[30:50, 20:60] = False
    mask[200:280, 200:300] = False
    a = integrate(painted.frames, None, e, painted.predicted).reflections
    b = integrate(painted.frames, mask, painted.experiment, painted.predicted).reflections
    assert has_flag(a, Flag.FOREGROUND_INCLUDES_BAD_PIXELS).any()
    for name, values in b.items():
        np.testing.assert_array_equal(a[name], values)


@pytest.mark.jit
def test_saturated_pixels_are_told(painted):
    frames = painted.frames.copy()
    r = integrate(frames, painted.mask, painted.experiment, painted.predicted).reflections
    i = np.flatnonzero(alone(r) & (r["partiality"] > 0.9999))[3]
    where = int(r["z_cal"][i]) - 4, int(r["y_cal"][i]), int(r["x_cal"][i])
    frames[where] = 20000
    new = integrate(frames, painted.mask, painted.experiment, painted.predicted).reflections
    assert has_flag(new, Flag.OVERLOADED)[i]
    assert new["n_saturated"][i] == 1
    assert not has_flag(new, Flag.INTEGRATED_SUM)[i]
    assert has_flag(new, Flag.OVERLOADED).sum() == 1


@pytest.mark.jit
def test_overlapping_neighbours_share_no_pixel():
    big = paint(experiment(cell=(80.0, 90.0, 100.0, 90.0, 90.0, 90.0), n_images=2, n_sigma=3.0))
    given = IntegrationParameters.model_validate({"profile": {"fitting": False}})
    r = integrate(big.frames, big.mask, big.experiment, big.predicted, given).reflections
    assert has_flag(r, Flag.OVERLAPPED_FG).sum() > 100
    # each pixel is counted once: sums over all reflections cannot exceed what is there
    assert r["n_foreground"].sum() <= big.frames.size
    under = r["n_foreground"] * r["background_mean"]
    assert (r["intensity_sum"] + under).sum() <= big.frames.sum()


@pytest.mark.jit
def test_panels_cut_from_one_give_the_same_away_from_the_cut(painted, result):
    e = experiment(panels=2)
    r = integrate(painted.frames, painted.mask, e).reflections
    whole = result.reflections
    offset = np.where(r["panel"] == 1, 140, 0)
    rows = {
        tuple(k): i
        for i, k in enumerate(np.column_stack([whole["hkl"], whole["entering"]]).tolist())
    }
    keys = np.column_stack([r["hkl"], r["entering"]]).tolist()
    pairs = [(i, rows[tuple(k)]) for i, k in enumerate(keys) if tuple(k) in rows]
    i, j = np.array(pairs).T
    np.testing.assert_allclose((r["y_cal"] + offset)[i], whole["y_cal"][j], atol=1e-9)
    far = np.abs(whole["y_cal"][j] - 140) > 15
    assert far.sum() > 200
    np.testing.assert_array_equal(r["n_foreground"][i][far], whole["n_foreground"][j][far])
    np.testing.assert_allclose(
        r["intensity_sum"][i][far], whole["intensity_sum"][j][far], rtol=1e-9
    )


@pytest.mark.jit
def test_tables_are_plain_data_and_add_up(result):
    summary = result.table("summary").rows[0]
    r = result.reflections
    assert summary["n_predicted"] == len(r["d"])
    assert summary["n_full"] + summary["n_partial"] == len(r["d"])
    assert summary["n_integrated_sum"] == has_flag(r, Flag.INTEGRATED_SUM).sum()
    for name in ("shells", "images"):
        assert (
            sum(row["n_integrated_sum"] for row in result.table(name).rows)
            == summary["n_integrated_sum"]
        )
    for table in result.tables:
        assert str(table)
        for row in table.rows:
            assert all(type(v) in (int, float, str, type(None)) for v in row.values())
    np.testing.assert_allclose(result.table("profile").rows[0]["sigma_b_deg"], 0.08)


@pytest.mark.jit
def test_too_little_background_is_flagged(painted):
    parameters = IntegrationParameters.model_validate(
        {"background": {"glm": {"min_pixels": 100000}}}
    )
    r = integrate(
        painted.frames, painted.mask, painted.experiment, painted.predicted, parameters
    ).reflections
    assert has_flag(r, Flag.FAILED_DURING_BACKGROUND_MODELLING).all()
    assert not has_flag(r, Flag.INTEGRATED_SUM).any()
    assert np.isfinite(r["intensity_sum"]).all()


@pytest.mark.jit
def test_what_does_not_fit_is_refused(painted):
    p = painted
    with pytest.raises(InputError, match="15 frames, its scan has 16"):
        integrate(p.frames[:-1], p.mask, p.experiment, p.predicted)
    with pytest.raises(InputError, match="must agree"):
        integrate(p.frames, p.mask[:-1], p.experiment, p.predicted)
    with pytest.raises(InputError, match="do not contain all panels"):
        integrate(p.frames[:, :-9], p.mask[:-9], p.experiment, p.predicted)
    with pytest.raises(InputError, match="no profile"):
        integrate(p.frames, p.mask, replace(p.experiment, profile=None))
