"""The viewer's page in a headless Chromium; pixels are read back from its canvases."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from support.viewer import Viewing

CHROMIUM = os.environ.get("DXDASK_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
READY = "models && S.high !== null && marks && running === 0"


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser, or skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"needs {CHROMIUM}; install chromium, or set DXDASK_CHROMIUM")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


def opened(browser: Any, viewer: Viewing, fragment: str, ready: str = READY) -> Any:
    """Return the page with a view named by its fragment, loaded; an error of a script fails."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{viewer.address}#{fragment}")
    wait(page, ready)
    page.wait_for_timeout(300)
    assert not errors
    page.errors = errors
    return page


def wait(page: Any, condition: str, seconds: float = 20.0) -> None:
    """Wait for a condition; the page's policy forbids the one that playwright would evaluate."""
    for _ in range(int(20 * seconds)):
        if page.evaluate(f"Boolean({condition})"):
            page.evaluate(TWO_FRAMES)
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition} did not come true: {page.text_content('#message')}")


def closed(page: Any) -> None:
    """Close a page, in which no script may have failed."""
    assert not page.errors
    page.close()


def pixels(page: Any, canvas: str) -> np.ndarray:
    """Return the colours (rows, columns, 4) of a 2-D canvas."""
    return _read(
        page,
        f"const c = $('{canvas}'), w = c.width, h = c.height;"
        " const d = c.getContext('2d').getImageData(0, 0, w, h).data;",
    )


def space_pixels(page: Any) -> np.ndarray:
    """Return the colours (rows, columns, 4) of the reciprocal lattice, drawn now."""
    return _read(
        page,
        "drawSpace(); const w = gl.drawingBufferWidth, h = gl.drawingBufferHeight;"
        " const d = new Uint8Array(4 * w * h);"
        " gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, d);",
    )[::-1]


def _read(page: Any, code: str) -> np.ndarray:
    """Return the colours d of w x h pixels, as text: lists of so many numbers are slow."""
    width, height, text = page.evaluate(
        f"(() => {{ {code} let s = ''; for (let i = 0; i < d.length; i += 8192)"
        " s += String.fromCharCode(...d.subarray(i, i + 8192)); return [w, h, btoa(s)]; })()"
    )
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
