"""The page in a headless Chromium: pixels are read back from its canvases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.browser import closed, pixels, wait
from support.browser import opened as opened_at
from support.viewer import Viewing

from dxdask.storage.store.store import Store

RUN, IMAGE, ZOOM = "tiny_3", 5, 12.0
pytestmark = [pytest.mark.slow, pytest.mark.browser]


def opened(browser: Any, viewer: Viewing, x: float, y: float, zoom: float = ZOOM) -> Any:
    return opened_at(browser, viewer, f"run={RUN}&image={IMAGE}&x={x}&y={y}&zoom={zoom}")


def test_spots_are_where_their_boxes_are_and_counts_have_their_colour(
    browser: Any, viewer: Viewing, processed: Store
) -> None:
    marks = viewer.arrays("overlay", run=RUN, image=IMAGE)
    detector = processed.run_experiment(RUN).detector
    offsets = np.array([p.offset for p in detector.panels])[marks["panel"]]
    box = marks["box"] + offsets[:, [0, 0, 1, 1]]
    middle = np.stack([box[:, :2].mean(axis=1), box[:, 2:].mean(axis=1)], axis=1)
    apart = np.abs(middle[:, None] - middle[None]).max(axis=2) + 99 * np.eye(len(middle))
    i = int(np.argmax(apart.min(axis=1)))
    page = opened(browser, viewer, *middle[i].tolist())
    drawn = pixels(page, "overlay")[..., 3] > 100
    rows, columns = np.nonzero(drawn)
    height, width = drawn.shape
    near = (np.abs(rows - height / 2) < 8 * ZOOM) & (np.abs(columns - width / 2) < 8 * ZOOM)
    x = (columns[near] + 0.5 - width / 2) / ZOOM + middle[i, 0]
    y = (rows[near] + 0.5 - height / 2) / ZOOM + middle[i, 1]
    found = [x.min(), x.max(), y.min(), y.max()]
    np.testing.assert_allclose(found, box[i], atol=0.5)

    frame = processed.frame_reader(RUN).read(IMAGE - 1, IMAGE)[0]
    high = page.evaluate("S.high")
    picture = pixels(page, "picture")
    for dx in (-2, 0, 2):
        px, py = int(middle[i, 0]) + dx, int(middle[i, 1])
        u = int((px + 0.5 - middle[i, 0]) * ZOOM + width / 2)
        v = int((py + 0.5 - middle[i, 1]) * ZOOM + height / 2)
        grey = 255 - np.clip(round(float(frame[py, px]) * 255 / high), 0, 255)
        assert abs(int(picture[v, u, 0]) - grey) <= 1
    closed(page)


def test_a_ring_is_at_its_resolution(browser: Any, viewer: Viewing) -> None:
    got = viewer.arrays("rings", run=RUN, d="4")
    models = viewer.ask("models", run=RUN).json
    offset = models["panels"][int(got["ring_panel"][0])]["offset"]
    end = int(got["ring_ends"][0])
    x, y = (got["ring_xy"][end // 2] + offset).tolist()
    page = opened(browser, viewer, x, y)
    for name in ("boxes", "beam centre"):
        page.click(f"[data-name='{name}']")
    page.fill("#rings", "4")
    page.click("[data-name='rings']")
    wait(page, "rings.usual && rings.usual.d.length && running === 0")
    page.wait_for_timeout(300)
    drawn = pixels(page, "overlay")[..., 3] > 100
    rows, columns = np.nonzero(drawn)
    height, width = drawn.shape
    away = np.hypot(rows + 0.5 - height / 2, columns + 0.5 - width / 2).min() / ZOOM
    assert away < 0.5
    closed(page)


def test_colours_keys_and_images(browser: Any, viewer: Viewing) -> None:
    page = opened(browser, viewer, 100, 60)
    before = pixels(page, "picture")
    page.select_option("#scheme", "viridis")
    page.wait_for_timeout(200)
    assert (pixels(page, "picture") != before).any()
    page.focus("#overlay")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("S.image") == IMAGE + 1
    zoom = page.evaluate("S.zoom")
    page.keyboard.press("+")
    assert page.evaluate("S.zoom") > zoom
    page.select_option("#layout", "laboratory")
    wait(page, "running === 0")
    assert page.text_content("#message") == ""
    closed(page)
