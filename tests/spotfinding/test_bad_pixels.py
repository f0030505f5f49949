"""Bad pixels found on the way: those put into frames, none of the spots, for any blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.painted_frames import experiment, paint
from support.spot_examples import experiment_for

from dxdask.models import Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.bad_pixels import find_in
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.parts import SpotPart, combine_parts, spots_of_block

pytestmark = pytest.mark.jit

HOT = [(20, 31), (60, 10), (61, 10), (90, 90), (0, 0), (119, 50)]
LEVELS = [30.0, 50.0, 400.0, 3000.0, 60.0, 60.0]
DEAD = [(40, 40), (41, 40), (70, 100)]
NOISY = (100, 20)
SHAPE = (120, 130)

Pixels = dict[tuple[int, int], str]


def frames_with_bad(
    n: int, *, background: float = 4.0, noisy: float = 0.3, spots: bool = True, seed: int = 0
) -> NDArray[np.uint16]:
    """Return frames of round spots that last for one image, with the bad pixels above."""
    rng = np.random.default_rng(seed)
    expected = np.full((n, *SHAPE), background)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for image in expected if spots else ():
        for cy, cx, height in zip(
            rng.uniform(5, 115, 25), rng.uniform(5, 125, 25), rng.exponential(150, 25), strict=True
        ):
            image += height * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 0.7**2)
    for (j, i), level in zip(HOT, LEVELS, strict=True):
        expected[:, j, i] += level
    expected[rng.uniform(size=n) < noisy, NOISY[0], NOISY[1]] += 200
    frames = rng.poisson(expected).astype(np.uint16)
    for j, i in DEAD:
        frames[:, j, i] = 0
    return frames


def bad_in(frames: NDArray[Any], *, width: float, **given: Any) -> Pixels:
    result = find_spots(
        frames, experiment_for(frames, width=width), None, SpotfinderParameters(**given)
    )
    (table,) = (t for t in result.tables if t.name == "bad_pixels")
    return {(r["slow"], r["fast"]): r["reason"] for r in table.rows}


@pytest.mark.parametrize("width", [0.0, 1.0], ids=["stills", "sweep"])
@pytest.mark.parametrize("n", [5, 8, 30, 100])
def test_those_put_in_are_found_and_nothing_else(n: int, width: float) -> None:
    found = bad_in(frames_with_bad(n, noisy=0.0), width=width)
    put_in = dict.fromkeys(HOT, "hot") | dict.fromkeys(DEAD, "dead")
    if n > 5:
        assert found == put_in
    else:  # a spot, or the bright one beside it, may hide a weak one on an image
        assert set(put_in) - {HOT[0], HOT[1]} <= set(found) <= set(put_in)


@pytest.mark.parametrize("width", [0.0, 1.0], ids=["stills", "sweep"])
def test_a_pixel_that_flickers_is_noisy(width: float) -> None:
    found = bad_in(frames_with_bad(100), width=width)
    assert found == dict.fromkeys(HOT, "hot") | dict.fromkeys(DEAD, "dead") | {NOISY: "noisy"}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_images_show_none(n: int) -> None:
    assert not bad_in(frames_with_bad(n), width=1.0)


@pytest.mark.parametrize("n", [5, 8, 30])
@pytest.mark.parametrize("sigma", [0.5, 0.8])
def test_a_spot_that_stays_is_none(n: int, sigma: float) -> None:
    frames = np.full((n, *SHAPE), 1.0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for cy, cx in ((20.5, 30.5), (50.0, 50.0), (80.3, 90.6)):
        frames += 300 * np.exp(-0.5 * ((y + 0.5 - cy) ** 2 + (x + 0.5 - cx) ** 2) / sigma**2)
    counts = np.random.default_rng(3).poisson(frames).astype(np.uint16)
    for width in (0.0, 0.1, 1.0):
        assert not bad_in(counts, width=width)


def test_reflections_of_a_crystal_are_none() -> None:
    for n, width in ((8, 0.1), (30, 0.1), (16, 0.5)):
        painted = paint(experiment(n_images=n, width=width), mean=3000.0, background=0.5)
        result = find_spots(painted.frames, painted.experiment)
        assert result.arrays["bad_pixel_mask"].all()


def test_a_steep_or_noisy_background_and_a_shadow_have_none() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    background = 400 * np.exp(-np.hypot(y - 60, x - 65) / 15.0) + 0.02
    background[60:, 60:68] = 0.0
    frames = rng.poisson(np.broadcast_to(background, (60, *SHAPE))).astype(np.uint16)
    assert not bad_in(frames, width=0.5)


def test_they_are_excluded_from_the_spots_of_a_sweep() -> None:
    frames = frames_with_bad(30, noisy=0.0)
    result = find_spots(frames, experiment_for(frames, width=1.0))
    mask = result.arrays["bad_pixel_mask"]
    assert sorted(map(tuple, np.argwhere(~mask).tolist())) == sorted([*HOT, *DEAD])
    pixels = np.stack([result.arrays["pixel_y"], result.arrays["pixel_x"]], axis=-1)
    assert not set(map(tuple, pixels.tolist())) & set(HOT)
    assert "Masked 9 bad pixels (6 hot, 3 dead); " in "\n".join(result.messages)
    without = frames.copy()
    for j, i in HOT:
        without[:, j, i] = np.random.default_rng(2).poisson(4.0, 30)
    clean = find_spots(without, experiment_for(frames, width=1.0))
    n, n_clean = (len(r.reflections["x"]) for r in (result, clean))
    assert abs(n - n_clean) <= 0.02 * n_clean


def test_they_stay_where_that_is_switched_off() -> None:
    frames = frames_with_bad(30)
    parameters = SpotfinderParameters(mask_bad_pixels=False)
    result = find_spots(frames, experiment_for(frames, width=1.0), None, parameters)
    assert "bad_pixel_mask" not in result.arrays
    assert not [t for t in result.tables if t.name == "bad_pixels"]
    assert not [m for m in result.messages if "bad pixels" in m]


@pytest.mark.parametrize("most", [200, 20])
def test_those_of_stills_are_masked_by_a_sample_of_the_images(most: int) -> None:
    frames = frames_with_bad(30, noisy=0.0)
    models = experiment_for(frames, width=0.0)
    result = find_spots(frames, models, None, SpotfinderParameters(bad_pixel_images=most))
    mask = result.arrays["bad_pixel_mask"]
    assert sorted(map(tuple, np.argwhere(~mask).tolist())) == sorted([*HOT, *DEAD])
    line = f"Masked 9 bad pixels (6 hot, 3 dead) by {min(most, 30)} images; "
    assert line in "\n".join(result.messages)
    off = SpotfinderParameters(mask_bad_pixels=False)
    by_mask = find_spots(frames, models, mask, off)
    for name, values in by_mask.reflections.items():
        np.testing.assert_array_equal(result.reflections[name], values)


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_stills_show_none(n: int) -> None:
    frames = frames_with_bad(n, background=400.0)
    result = find_spots(frames, experiment_for(frames, width=0.0))
    assert "bad_pixel_mask" not in result.arrays
    assert f"{n} images are too few to find bad pixels" in "\n".join(result.messages)


def test_pixels_that_a_mask_or_the_trusted_range_excludes_are_not_reported() -> None:
    frames = frames_with_bad(30, noisy=0.0).astype(np.int32)
    frames[:, 70, 100] = -2
    mask = np.ones(SHAPE, np.bool_)
    mask[20, 31] = mask[40, 40] = False
    result = find_spots(frames, experiment_for(frames, width=1.0), mask)
    found = {tuple(p) for p in np.argwhere(~result.arrays["bad_pixel_mask"]).tolist()}
    assert found == {*HOT, *DEAD} - {(20, 31), (40, 40), (70, 100)}


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_pixels_of_any_type_with_pedestal_and_gain(dtype: type) -> None:
    frames = frames_with_bad(30, noisy=0.0)
    models = experiment_for(frames, width=1.0)
    if dtype == np.uint8:
        frames = np.minimum(frames, 200).astype(dtype)
    else:
        frames = (frames.astype(np.float64) * 4 + 100).astype(dtype)
        panel = replace(models.detector[0], gain=4.0, pedestal=100.0, trusted_range=(0, 1e6))
        models = replace(models, detector=replace(models.detector, panels=(panel,)))
    result = find_spots(frames, models)
    found = {tuple(p) for p in np.argwhere(~result.arrays["bad_pixel_mask"]).tolist()}
    assert found == {*HOT, *DEAD}


def test_panels_have_theirs() -> None:
    frames = frames_with_bad(30, noisy=0.0)
    panels = tuple(
        Panel(image_size=(65, 120), offset=(x, 0), trusted_range=(-1, 65535)) for x in (0, 65)
    )
    result = find_spots(frames, experiment_for(frames, panels=panels, width=1.0))
    found = {tuple(p) for p in np.argwhere(~result.arrays["bad_pixel_mask"]).tolist()}
    assert found == {*HOT, *DEAD}
    (table,) = (t for t in result.tables if t.name == "bad_pixels")
    assert {(r["panel"], r["slow"], r["fast"]) for r in table.rows} >= {(1, 90, 25), (0, 20, 31)}


@pytest.mark.parametrize("size", [1, 3, 7, 30])
def test_they_do_not_depend_on_blocks(size: int) -> None:
    frames = frames_with_bad(30)
    models = experiment_for(frames, width=1.0)
    masks, parameters = (np.ones(SHAPE, np.bool_),), SpotfinderParameters()

    def part(first: int, stop: int) -> SpotPart:
        return spots_of_block(
            (FramePiece(first, frames[first:stop]),), models, masks, parameters,
            first_z=first, n_frames=stop - first,
        )  # fmt: skip

    parts = [part(i, min(i + size, 30)) for i in range(0, 30, size)]
    while len(parts) > 1:
        parts = [combine_parts(parts[i : i + 3]) for i in range(0, len(parts), 3)]
    evidence, whole = (p.images.evidence for p in (parts[0], part(0, 30)))
    assert evidence is not None
    assert whole is not None
    for a, b in zip((*evidence.sharp, *evidence.light), (*whole.sharp, *whole.light), strict=True):
        np.testing.assert_array_equal(a, b)
    found = find_in(evidence, models, np.arange(30))
    assert len(found.key) == len(HOT) + len(DEAD) + 1
