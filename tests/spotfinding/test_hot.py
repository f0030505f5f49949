"""Hot pixels: strong on every image that could be used; DIALS's where it finds any."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.committed import committed
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials
from support.spot_examples import experiment_for

from dxdask.models import Detector, Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.hot import combine_hot, hot_mask, hot_of_frames

HOT = [(5, 7), (20, 31), (21, 31)]


def frames_with_hot(n: int = 6) -> NDArray[np.uint16]:
    frames = np.random.default_rng(1).poisson(1.0, (n, 40, 50)).astype(np.uint16)
    for y, x in HOT:
        frames[:, y, x] = 500
    frames[1:, 30, 10] = 500  # strong on all but one
    frames[2:3, 10:13, 40:43] = 200
    return frames


def hot_of(frames: NDArray[Any], **given: Any) -> NDArray[np.bool_]:
    parameters = SpotfinderParameters.model_validate({"write_hot_mask": True, **given})
    return find_spots(frames, experiment_for(frames), None, parameters).arrays["hot_mask"]


def hot_pixels(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    return [(int(y), int(x)) for y, x in np.argwhere(~mask)]


def test_pixels_strong_on_all_images_are_hot() -> None:
    frames = frames_with_hot()
    parameters = SpotfinderParameters(write_hot_mask=True)
    result = find_spots(frames, experiment_for(frames), None, parameters)
    assert hot_pixels(result.arrays["hot_mask"]) == HOT
    assert "Found 3 possible hot pixel(s)" in result.messages
    plain = find_spots(frames, experiment_for(frames))
    assert "hot_mask" not in plain.arrays
    assert not [m for m in plain.messages if "possible hot" in m]


def test_the_mask_is_one_that_spot_finding_takes() -> None:
    frames = frames_with_hot()
    mask = hot_of(frames)
    spots = find_spots(frames, experiment_for(frames), mask)
    pixels = zip(spots.arrays["pixel_y"].tolist(), spots.arrays["pixel_x"].tolist(), strict=True)
    assert not set(pixels) & set(HOT)
    assert len(spots.reflections["x"]) > 0


def test_a_range_of_images_has_its_own() -> None:
    assert hot_pixels(hot_of(frames_with_hot(), scan_range=((2, 6),))) == [*HOT, (30, 10)]
    both = hot_of(frames_with_hot(), scan_range=((1, 3), (4, 6)))
    assert hot_pixels(both) == [*HOT, (30, 10)]


def test_an_image_that_cannot_be_used_does_not_count() -> None:
    frames = frames_with_hot()
    frames[3] = 65535
    assert hot_pixels(hot_of(frames)) == HOT


def test_a_single_image_has_none() -> None:
    assert hot_of(frames_with_hot(1)).all()


def test_stills_and_panels_have_theirs() -> None:
    frames = frames_with_hot()
    panels = tuple(
        Panel(image_size=(25, 40), offset=(x, 0), trusted_range=(-1, 65535)) for x in (0, 25)
    )
    experiment = experiment_for(frames, panels=panels, width=0.0)
    wide = np.pad(frames, ((0, 0), (0, 2), (0, 3)))
    result = find_spots(wide, experiment, None, SpotfinderParameters(write_hot_mask=True))
    assert result.arrays["hot_mask"].shape == wide.shape[1:]
    # of stills also a pixel that is hot on five of the six images, which is masked before
    assert hot_pixels(result.arrays["hot_mask"]) == sorted([*HOT, (30, 10)])
    kept = SpotfinderParameters(write_hot_mask=True, mask_bad_pixels=False)
    result = find_spots(wide, experiment, None, kept)
    assert hot_pixels(result.arrays["hot_mask"]) == HOT


def test_masks_of_an_ensemble_are_by_run(tmp_path: Path) -> None:
    frames = frames_with_hot()
    parameters = SpotfinderParameters(write_hot_mask=True)
    experiments = [replace(experiment_for(frames), run=name) for name in "ab"]
    runs = [find_spots(frames, e, None, parameters) for e in experiments]
    both = committed(tmp_path, runs).arrays["hot_mask"]
    assert both.shape == (2, 40, 50)
    np.testing.assert_array_equal(both[1], runs[1].arrays["hot_mask"])
    cut = frames[:, :30]
    other = find_spots(cut, replace(experiment_for(cut), run="b"), None, parameters)
    apart = committed(tmp_path, [runs[0], other]).arrays
    assert apart["hot_mask_a"].shape == (40, 50)
    assert apart["hot_mask_b"].shape == (30, 50)


@given(seed=st.integers(0, 2**32 - 1), cuts=st.sets(st.integers(1, 7)))
def test_cuts_do_not_matter(seed: int, cuts: set[int]) -> None:
    strong = np.random.default_rng(seed).random((8, 4, 5)) < 0.8
    usable = [f for f in range(8) if f != seed % 9]
    ranges = ((10, 13), (13, 18))
    parts = []
    bounds = [0, *sorted(cuts), 8]
    for a, b in pairwise(bounds):
        z, y, x = np.nonzero(strong[a:b])
        key = (y * 5 + x).astype(np.int64)
        offsets = np.searchsorted(z, np.arange(b - a + 1)).astype(np.int64)
        used = [f - a for f in usable if a <= f < b]
        parts.append(hot_of_frames(key, offsets, used, first_z=10 + a, ranges=ranges))
    detector = Detector(panels=(Panel(image_size=(5, 4)),))
    expected = np.ones((4, 5), bool)
    for low, high in ranges:
        inside = [f for f in usable if low <= f + 10 < high]
        if len(inside) > 1:
            expected &= ~strong[inside].all(axis=0)
    np.testing.assert_array_equal(hot_mask(combine_hot(parts), detector, (4, 5)), expected)


DIALS = """
import sys
import numpy as np
from dials.array_family import flex
from dials.model.data import PixelList, PixelListLabeller
labeller = PixelListLabeller()
for i, image in enumerate(np.load(sys.argv[1])):
    flat = flex.bool(image.ravel())
    flat.reshape(flex.grid(*image.shape))
    labeller.add(PixelList(i, flex.int(flex.grid(*image.shape), 1), flat))
creator = flex.PixelListShoeboxCreator(labeller, 0, 0, False, 1, 1000, True)
np.save(sys.argv[2], np.array(sorted(creator.hot_pixels())))
"""


@pytest.mark.dials
@needs_dials
def test_dials_finds_the_same(tmp_path: Path) -> None:
    strong = np.random.default_rng(3).random((5, 12, 14)) < 0.8
    np.save(tmp_path / "strong.npy", strong)
    files = str(tmp_path / "strong.npy"), str(tmp_path / "hot.npy")
    run_dials(str(DIALS_PYTHON), "-c", DIALS, *files, folder=tmp_path)
    z, y, x = np.nonzero(strong)
    offsets = np.searchsorted(z, np.arange(6)).astype(np.int64)
    key = (y * 14 + x).astype(np.int64)
    hot = hot_of_frames(key, offsets, range(5), first_z=0, ranges=((0, 5),))
    assert hot[0, 5].keys.tolist() == np.load(files[1]).tolist()
