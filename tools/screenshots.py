"""Pictures of the viewer for the documentation, from a small simulated ensemble.

    python tools/screenshots.py [STORE]

Writes view_frame.png, view_threshold.png, view_lattice.png and view_explore.png of docs/, in 256
colours. Needs Chromium (see tests/support/browser.py).
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from PIL import Image
from support.browser import READY, chromium, closed, opened, wait
from support.ensemble_example import QUICK, write_frames
from support.viewer import viewing

import dxdask

ROOT = Path(__file__).parents[1]
LARGEST = 150_000
RUN = "tiny_3"


def save(page: Any, name: str) -> None:
    """Write the page as it is now."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
    path = ROOT / "docs" / f"{name}.png"
    picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"wrote {path.relative_to(ROOT)}, {size} bytes")
    if size > LARGEST:
        raise SystemExit(f"{path} has more than {LARGEST} bytes")


def pictures(store: Path) -> None:
    """Write all pictures of a store of the ensemble that tests use."""
    with viewing(store) as viewer, chromium() as browser:
        page = opened(browser, viewer, f"run={RUN}&image=5&x=120&y=90&zoom=5")
        for name in ("rings", "predictions", "spot hkl"):
            page.check(f"[data-name='{name}']")
        wait(page, f"{READY} && rings.usual.d.length")
        save(page, "view_frame")
        for name in ("rings", "predictions", "spot hkl"):
            page.uncheck(f"[data-name='{name}']")
        page.select_option("#threshold", "dispersion")
        page.select_option("#scheme", "viridis")
        wait(page, f"{READY} && threshold.parts.length")
        page.locator("#sliders").scroll_into_view_if_needed()
        save(page, "view_threshold")
        page.select_option("#threshold", "none")
        page.click("#space-open")
        wait(page, "L.points && running === 0 && L.frames")
        page.click("[data-along='b*']")
        page.evaluate("(() => { turnBy(0.12, 0.05); L.zoom = 1.2; drawSpace(); })()")
        page.locator("#space-size").fill("3")
        page.locator("#space-counts").scroll_into_view_if_needed()
        wait(page, READY)
        save(page, "view_lattice")
        page.keyboard.press("Escape")
        page.click("#explore-open")
        wait(page, "E.got && running === 0")
        page.locator("#explore-open").scroll_into_view_if_needed()
        save(page, "view_explore")
        closed(page)


def main() -> None:
    """Write the pictures of a store that is given, or of one made here."""
    if len(sys.argv) > 1:
        return pictures(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = write_frames(folder / "raw")
        store = dxdask.process(raw, folder / "tiny.zarr", show=dxdask.quiet, **QUICK)
        pictures(store.path)
    return None


if __name__ == "__main__":
    main()
