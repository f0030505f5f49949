"""Sizes of spots, and ellipses of their size."""

from __future__ import annotations

import numpy as np
import pytest
from support.painted_stills import (
    BANDWIDTH,
    MOSAICITY,
    SIZE,
    WAVELENGTH,
    Painted,
    common,
    painted,
    strong_spots,
    table_of,
)

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration.stills import StillIntegrationParameters
from dxdask.integration.stills.block import integrate_block
from dxdask.integration.stills.extents import extents, sharpness
from dxdask.prediction.stills.predict_still import predict_still
from dxdask.prediction.stills.spread import spread_of

WIDE = {"domain_size": SIZE / 4.0, "half_mosaicity": 4.0 * MOSAICITY}


def _boxed(shot: Painted, half: int = 4) -> Reflections:
    """Return the strong spots of a shot with the boxes that hold them."""
    spots = strong_spots(shot)
    x, y = np.floor(spots["x"]).astype(np.int32), np.floor(spots["y"]).astype(np.int32)
    z = np.zeros(len(x), np.int32)
    box = np.stack([x - half, x + half + 1, y - half, y + half + 1, z, z + 1], axis=1)
    return {**spots, "bbox": box.astype(np.int32)}


def test_extents_are_those_that_were_painted() -> None:
    shot, shared = painted(0, scale=3000.0), common()
    spots = _boxed(shot)
    mask = np.ones(shot.frame.shape, np.bool_)
    seen = extents(shot.frame, mask, spots, shared.panels, shared.pixels)
    strong = shot.photons > 50
    painted_in = 0.5 * (shot.found.covariance[strong, 0] + shot.found.covariance[strong, 2])
    known = np.isfinite(seen)
    assert known.sum() > 50
    # counts are of whole pixels
    assert np.median(seen[known] / (painted_in[known] + 1 / 12)) == pytest.approx(1.0, abs=0.1)


def test_what_is_faint_or_bad_or_without_a_box_is_not_measured() -> None:
    shot, shared = painted(0, scale=3000.0), common()
    spots = _boxed(shot)
    mask = np.ones(shot.frame.shape, np.bool_)
    nothing = extents(np.zeros_like(shot.frame), mask, spots, shared.panels, shared.pixels)
    assert np.isnan(nothing).all()
    assert np.isnan(extents(shot.frame, ~mask, spots, shared.panels, shared.pixels)).all()
    bare = {name: column for name, column in spots.items() if name != "bbox"}
    assert np.isnan(extents(shot.frame, mask, bare, shared.panels, shared.pixels)).all()
    weak = shared.pixels._replace(gain=1e4 * shared.pixels.gain)
    dull = extents(shot.frame, mask, spots, shared.panels, weak)
    assert np.isnan(dull).all()


def test_sharpness_is_the_ratio_of_seen_to_predicted_and_at_most_one() -> None:
    found = painted(0).found
    predicted = 0.5 * (found.covariance[:, 0] + found.covariance[:, 2])
    assert sharpness(found, found.hkl, 0.25 * predicted) == pytest.approx(0.25)
    assert sharpness(found, found.hkl, 3.0 * predicted) == 1.0
    assert sharpness(found, found.hkl[:4], 0.25 * predicted[:4]) == 1.0
    elsewhere = found.hkl + np.int32(100)
    assert sharpness(found, elsewhere, 0.25 * predicted) == 1.0
    assert sharpness(found, found.hkl, np.full(len(predicted), np.nan)) == 1.0


def _summed(shot: Painted, spots: Reflections, *, follow_spots: bool) -> Reflections:
    given = {"prediction": WIDE, "summation": {"follow_spots": follow_spots}}
    frames = shot.frame[None]
    return integrate_block(
        frames, 0, table_of(shot), spots, np.ones(shot.frame.shape, np.bool_), common(),
        StillIntegrationParameters.model_validate(given),
    ).reflections  # fmt: skip


def test_small_spots_far_from_the_sphere_keep_apart() -> None:
    # points that reach four times as far as their spots are large: cracked crystals
    shot = painted(1, scale=3000.0)
    follow = _summed(shot, _boxed(shot), follow_spots=True)
    as_predicted = _summed(shot, _boxed(shot), follow_spots=False)
    np.testing.assert_array_equal(follow["hkl"], as_predicted["hkl"])
    crowded = [has_flag(t, Flag.OVERLAPPED_FG).mean() for t in (follow, as_predicted)]
    assert crowded[0] < 0.5 * crowded[1]
    assert np.median(follow["n_foreground"]) < 0.5 * np.median(as_predicted["n_foreground"])
    # and all of their counts are still there
    wide = predict_still(
        shot.a_matrix, WAVELENGTH, common(),
        spread_of(WIDE["domain_size"], WIDE["half_mosaicity"], BANDWIDTH), n_sigma=3.0,
    )  # fmt: skip
    place = {tuple(h): i for i, h in enumerate(wide.hkl.tolist())}
    rows = np.array([place.get(tuple(h), -1) for h in shot.found.hkl.tolist()])
    clean = has_flag(follow, Flag.INTEGRATED_SUM) & ~has_flag(follow, Flag.OVERLAPPED_FG)
    known = (rows >= 0) & clean[rows] & (shot.photons > 300)
    assert known.sum() > 20
    ratio = follow["intensity_sum"][rows[known]] / shot.photons[known]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
