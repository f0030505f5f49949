"""Stills in a headless Chromium: by fate, by event, and their reciprocal lattice."""

from __future__ import annotations

from typing import Any

import pytest
from support.browser import closed, opened, pixels, wait
from support.viewer import viewing

from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.browser]
COLOURS = {"blank": (0x99, 0x99, 0x99), "indexed": (0x00, 0x72, 0xB2)}


def test_stills_by_fate_and_by_event(browser: Any, stills_store: Store) -> None:
    rows = next(t for t in stills_store.tables("index") if t.name == "stills").rows
    indexed = [r["image"] for r in rows if r["indexed"]]
    with viewing(stills_store.path) as viewer:
        page = opened(browser, viewer, "image=1")
        wait(page, "scan && !$('still-row').hidden")
        for image in indexed:
            page.click("#still-next")
            assert page.evaluate("S.image") == image
        page.click("#still-next")
        assert "no indexed still after" in page.text_content("#message")
        page.select_option("#still-kind", "blank")
        page.click("#still-previous")
        blanks = [r["image"] for r in rows if not r["hit"] and r["image"] < indexed[-1]]
        assert page.evaluate("S.image") == blanks[-1]
        page.fill("#event", str(rows[2]["event_id"]))
        page.press("#event", "Enter")
        assert page.evaluate("S.image") == rows[2]["image"]
        page.fill("#event", "123456")
        page.press("#event", "Enter")
        assert "no event 123456" in page.text_content("#message")
        strip = pixels(page, "scan")
        height, width = strip.shape[:2]
        for row in rows:
            column = int((row["image"] - 0.5) / len(rows) * width) + 8  # beside the line
            kind = "indexed" if row["indexed"] else "blank"
            assert tuple(strip[height - 3, column, :3]) == COLOURS[kind]
        page.click("#space-open")
        wait(page, "L.points && running === 0 && L.frames > 0")
        assert page.evaluate("L.points.crystal_lattices") == [image - 1 for image in indexed]
        closed(page)
