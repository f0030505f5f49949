"""Shoeboxes that spot finding kept: foreground and background of each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import closed, opened, pixels, wait
from support.viewer import viewing

import dxdask
from dxdask.storage.store.store import Store

IMAGE = 5
FOREGROUND, BACKGROUND = 4, 2


@pytest.fixture(scope="module")
def kept(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("boxes") / "boxes.zarr"
    return dxdask.find_spots(dxdask.import_(raw[-1:], path), **{"output.shoeboxes": True})


def test_foreground_is_the_strong_pixels(kept: Store) -> None:
    with viewing(kept.path) as viewer:
        marks = viewer.arrays("overlay", run=kept.runs[0], image=IMAGE)
    strong = {
        (int(s), int(x), int(y))
        for s, (x, y) in zip(marks["pixel_spot"], marks["pixel_xy"], strict=True)
    }
    shown = {
        (int(s), int(x), int(y))
        for s, (x, y), mask in zip(
            marks["shoebox_spot"], marks["shoebox_xy"], marks["shoebox_mask"], strict=True
        )
        if mask & FOREGROUND
    }
    assert len(shown) > 100
    assert shown == strong
    box = marks["box"]
    sizes = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])
    np.testing.assert_array_equal(np.bincount(marks["shoebox_spot"], minlength=len(box)), sizes)
    assert (marks["shoebox_mask"] & BACKGROUND).any()


@pytest.mark.slow
@pytest.mark.browser
def test_they_are_drawn_in_two_colours(browser: Any, kept: Store) -> None:
    with viewing(kept.path) as viewer:
        run = kept.runs[0]
        marks = viewer.arrays("overlay", run=run, image=IMAGE)
        offsets = np.array([p.offset for p in kept.run_experiment(run).detector.panels])
        spot = marks["shoebox_spot"]
        place = marks["shoebox_xy"] + offsets[marks["panel"][spot]] + 0.5
        # a spot whose box no other box overlaps
        size = np.bincount(spot)
        own = np.unique(place, axis=0, return_counts=True)
        single = {tuple(p) for p, n in zip(*own, strict=True) if n == 1}
        i = next(
            k
            for k in np.argsort(-size)
            if all(tuple(p) in single for p in place[spot == k]) and size[k] > 8
        )
        x, y = place[spot == i].mean(axis=0)
        page = opened(browser, viewer, f"run={run}&image={IMAGE}&x={x}&y={y}&zoom=24")
        for name in ("boxes", "beam centre"):
            page.uncheck(f"[data-name='{name}']")
        page.check("[data-name='shoeboxes']")
        wait(page, "running === 0")
        page.wait_for_timeout(300)
        drawn = pixels(page, "overlay")
        for (px, py), mask in zip(place[spot == i], marks["shoebox_mask"][spot == i], strict=True):
            u, v = page.evaluate(f"toScreen({px}, {py})")
            colour = drawn[int(v), int(u)].astype(int)
            if mask & FOREGROUND:
                np.testing.assert_allclose(colour, [0, 158, 115, 0.45 * 255], atol=3)
            elif mask & BACKGROUND:
                np.testing.assert_allclose(colour, [86, 180, 233, 0.3 * 255], atol=4)
        closed(page)
