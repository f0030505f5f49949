"""Masks drawn in a headless Chromium are in the store, and spot finding uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import closed, opened, pixels, wait
from support.viewer import viewing

import dxdask

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_every_shape_is_drawn_kept_and_used(browser: Any, raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.find_spots(dxdask.import_(raw[-1:], tmp_path / "drawn.zarr"))
    run = store.runs[0]
    spots = store.columns("find_spots", run=run)
    inside = (spots["panel"] == 0) & (spots["x"] > 20) & (spots["x"] < 80)
    inside &= (spots["y"] > 20) & (spots["y"] < 60)
    assert inside.any()
    with viewing(store.path) as viewer:
        page = opened(browser, viewer, f"run={run}&image=1&x=128&y=132&zoom=2.5")
        box = page.locator("#overlay").bounding_box()

        def to(x: float, y: float) -> tuple[float, float]:
            u, v = page.evaluate(f"toScreen({x}, {y})")
            return box["x"] + u, box["y"] + v

        def drag(shape: str, *ends: tuple[float, float]) -> None:
            page.select_option("#shape", shape)
            page.mouse.move(*to(*ends[0]))
            page.mouse.down()
            page.mouse.move(*to(*ends[1]), steps=3)
            page.mouse.up()

        def n_regions(n: int) -> None:
            wait(page, f"regions.length === {n} && running === 0")

        drag("rectangle", (20.5, 20.5), (79.5, 59.5))
        n_regions(1)
        drag("circle", (40.5, 100.5), (50.5, 100.5))
        page.select_option("#shape", "polygon")
        for corner in ((100, 20), (120, 20), (120, 40)):
            page.mouse.click(*to(*corner))
        page.mouse.dblclick(*to(100, 40))
        n_regions(3)
        page.select_option("#shape", "pixel")
        page.mouse.click(*to(90.5, 110.5))
        n_regions(4)
        page.mouse.click(*to(95.5, 115.5))
        page.click("#undo")
        n_regions(4)
        drag("resolution", (128.0, 60.0), (128.0, 30.0))
        n_regions(5)
        page.fill("#range", "9-8.5")
        page.click("#add-range")
        n_regions(6)
        page.fill("#range", "9")
        page.click("#add-range")
        assert "two numbers" in page.text_content("#message")
        page.select_option("#shape", "panel")
        page.mouse.click(*to(128, 200))
        n_regions(7)
        regions = page.evaluate("regions")
        assert regions[0] == {"panel": 0, "rectangle": [20, 80, 20, 60]}
        assert regions[1]["panel"] == 0
        np.testing.assert_allclose(regions[1]["circle"], [40, 100, 10], atol=1)
        np.testing.assert_allclose(
            regions[2]["polygon"], [100, 20, 120, 20, 120, 40, 100, 40], atol=1
        )
        assert regions[3] == {"panel": 0, "pixel": [110, 90]}
        for y, k in ((60.0, 0), (30.0, 1)):
            at = page.evaluate(f"toPanel(128.0, {y})")
            d = viewer.ask("point", run=run, image=1, panel=at[0], x=at[1], y=at[2]).json["d"]
            assert regions[4]["resolution"][k] == pytest.approx(d, rel=0.02)
        assert regions[5]["resolution"] == [9, 8.5]
        page.click("#keep")
        wait(page, "$('message').textContent.includes('in use')", 60)
        page.check("[data-name='applied']")
        wait(page, "maskPicture && running === 0")
        row, column = (int(v) for v in reversed(page.evaluate("toScreen(50.5, 40.5)")))
        assert pixels(page, "overlay")[row, column, 3] > 0
        closed(page)
    good = store.mask(run)
    panels = store.run_experiment(run).detector.panels
    first = good[panels[0].slices]
    assert not first[20:60, 20:80].any()
    assert not first[100, 40]
    assert not first[110, 90]
    assert not first[25, 115]
    assert not good[panels[regions[6]["panel"]].slices].any()
    assert good.any()
    spots = dxdask.find_spots(store).columns("find_spots", run=run)
    inside = (spots["panel"] == 0) & (spots["x"] > 20) & (spots["x"] < 80)
    inside &= (spots["y"] > 20) & (spots["y"] < 60)
    assert not inside.any()
    assert len(spots["x"]) > 0
