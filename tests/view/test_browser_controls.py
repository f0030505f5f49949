"""Every control of the page in a headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.browser import closed, opened, pixels, wait
from support.viewer import Viewing

from dxdask.storage.store.store import Store

RUN, IMAGE = "tiny_3", 5
IDLE = "running === 0 && S.high !== null && !waiting.size"
pytestmark = [pytest.mark.slow, pytest.mark.browser]

SCHEMES = {  # colours of the lowest and the highest count
    "grey": ([255, 255, 255], [0, 0, 0]),
    "inverted": ([0, 0, 0], [255, 255, 255]),
    "heat": ([0, 0, 0], [255, 255, 255]),
    "rainbow": ([60, 0, 130], [240, 30, 0]),
    "viridis": ([68, 1, 84], [253, 231, 37]),
}


@pytest.fixture
def page(browser: Any, viewer: Viewing) -> Iterator[Any]:
    found = opened(browser, viewer, f"run={RUN}&image={IMAGE}&x=100&y=60&zoom=30")
    yield found
    closed(found)


@pytest.fixture
def frame(processed: Store) -> np.ndarray:
    return processed.frame_reader(RUN).read(IMAGE - 1, IMAGE)[0]


def at(page: Any, x: float, y: float) -> tuple[int, int]:
    """Return the row and column of the canvas where a position of the frame is drawn."""
    u, v = page.evaluate(f"toScreen({x}, {y})")
    return int(v), int(u)


def test_schemes_colour_the_lowest_and_the_highest_count(page: Any, frame: np.ndarray) -> None:
    page.fill("#low", "0")
    page.fill("#high", "2")
    for box in ("boxes", "beam centre"):
        page.uncheck(f"[data-name='{box}']")
    part = frame[54:67, 94:107].astype(int)
    low, high = (tuple(np.argwhere(c)[0] + [54, 94]) for c in (part == 0, (part > 1) & (part < 99)))
    for scheme, colours in SCHEMES.items():
        page.select_option("#scheme", scheme)
        wait(page, IDLE)
        picture = pixels(page, "picture")
        for (y, x), colour in zip((low, high), colours, strict=True):
            # a corner of the pixel: its count is written in the middle
            assert picture[at(page, x + 0.07, y + 0.07)][:3].tolist() == colour, scheme


def test_brightness_percentile_and_limits(page: Any) -> None:
    start = page.evaluate("S.high")
    page.fill("#percentile", "100")
    wait(page, f"S.high > {start}")
    high = page.evaluate("S.high")
    page.locator("#brightness").fill("1")
    wait(page, f"S.high < {high}")
    page.fill("#high", "37")
    wait(page, "S.high === 37")
    page.fill("#low", "3")
    wait(page, "S.low === 3")


def test_the_value_under_the_pointer(page: Any, viewer: Viewing, frame: np.ndarray) -> None:
    box = page.locator("#overlay").bounding_box()
    row, column = at(page, 101.5, 61.5)
    page.mouse.move(box["x"] + column, box["y"] + row)
    wait(page, "$('readout').textContent.includes('mm')")
    text = page.text_content("#readout")
    assert f"value {frame[61, 101]} " in text
    found = re.search(r"panel (\d) .* x ([\d.]+) y ([\d.]+) px", text)
    assert found
    known = viewer.ask(
        "point", run=RUN, image=IMAGE, panel=found[1], x=float(found[2]), y=float(found[3])
    ).json
    assert f"d {known['d']:.3f} Å" in text
    assert "hkl" in text


def test_keys_buttons_and_play(page: Any) -> None:
    page.focus("#overlay")
    for key, image in (("ArrowRight", 6), ("ArrowLeft", 5), ("Shift+ArrowRight", 14)):
        page.keyboard.press(key)
        assert page.evaluate("S.image") == image
    page.click("#previous")
    assert page.evaluate("S.image") == 13
    page.click("#next")
    assert page.evaluate("S.image") == 14
    page.fill("#image", "3")
    page.press("#image", "Enter")
    assert page.evaluate("S.image") == 3
    page.locator("#slider").fill("9")
    assert page.evaluate("S.image") == 9
    page.focus("#overlay")
    page.keyboard.press(" ")
    wait(page, "S.image === 11")
    page.keyboard.press(" ")
    wait(page, "!playing")
    page.keyboard.press("0")
    whole = page.evaluate("S.zoom")
    page.keyboard.press("+")
    assert page.evaluate("S.zoom") > whole
    page.keyboard.press("-")
    assert page.evaluate("S.zoom") == pytest.approx(whole)
    page.click("#exact")
    assert page.evaluate("S.zoom") == 1
    page.locator("#scan").click(position={"x": 2, "y": 40})
    assert page.evaluate("S.image") == 1
    page.select_option("#run", "tiny_1")
    wait(page, f"S.run === 'tiny_1' && {IDLE}")


def test_images_together(page: Any, processed: Store) -> None:
    frames = processed.frame_reader(RUN).read(IMAGE - 1, IMAGE + 2).astype(int)
    page.fill("#n", "3")
    page.press("#n", "Enter")
    for stack, expected in (
        ("sum", frames.sum(0)),
        ("max", frames.max(0)),
        ("mean", frames.mean(0)),
    ):
        page.select_option("#stack", stack)
        wait(page, f"S.stack === '{stack}' && {IDLE}")
        found = page.evaluate("countAt(100, 60)")
        assert found == pytest.approx(expected[60, 100], rel=1e-6)


def test_sliders_of_thresholds(page: Any, viewer: Viewing) -> None:
    page.evaluate("(() => { S.zoom = 6; S.x = 64; S.y = 60; redraw(); })()")
    page.uncheck("[data-name='boxes']")
    for picture in ("mean", "variance", "dispersion", "sigma_b", "sigma_s", "global", "result"):
        page.select_option("#threshold", picture)
        wait(page, f"threshold.parts.length && JSON.parse(threshold.key)[1] === '{picture}'")
    for algorithm, name, value in (
        ("dispersion_extended", "dispersion.sigma_strong", 9),
        ("dispersion", "dispersion.sigma_background", 12),
        ("dispersion", "kernel slow", 5),
        ("dispersion", "kernel fast", 2),
        ("dispersion", "dispersion.gain", 2),
        ("radial_profile", "radial_profile.n_iqr", 12),
        ("helen", "helen.min_blob_score", 0.9),
    ):
        page.select_option("#algorithm", algorithm)
        before = page.evaluate("threshold.key")
        page.locator(f"#sliders [data-name='{name}']").fill(str(value))
        wait(page, f"threshold.key !== {before!r} && threshold.parts.length && running === 0")
        given = page.evaluate("thresholdValues()")
        if name.startswith("kernel"):
            assert given["dispersion.kernel_size"] == ("5,3" if name == "kernel slow" else "5,2")
        else:
            assert given[name] == value
        panel, x0, x1, y0, y1 = page.evaluate("regionsInView()[0]")
        expected = viewer.array(
            "threshold", run=RUN, image=IMAGE, picture="result",
            regions=f"{panel},{x0},{x1},{y0},{y1}", **given,
        )  # fmt: skip
        drawn = pixels(page, "overlay")
        for y, x in [*np.argwhere(expected == 1)[:3], *np.argwhere(expected == 0)[:3]]:
            black = drawn[at(page, x + x0 + 0.5, y + y0 + 0.5)][:3]
            assert black.tolist() == [255 * (1 - int(expected[y, x]))] * 3


def wait_until_clear(page: Any) -> None:
    """Wait until nothing is drawn above the picture."""
    for _ in range(50):
        if not pixels(page, "overlay")[..., 3].any():
            return
        page.wait_for_timeout(100)
    raise AssertionError("something is still drawn above the picture")


def test_marks_of_spots_and_geometry_are_drawn(page: Any) -> None:
    page.evaluate("(() => { fit(); })()")
    boxes = page.evaluate("Object.keys(shows)")
    for name in boxes:
        page.uncheck(f"[data-name='{name}']")
    wait_until_clear(page)
    page.evaluate("(() => { S.zoom = 4; redraw(); })()")
    for name in boxes:
        page.check(f"[data-name='{name}']")
        wait(page, IDLE)
        page.wait_for_timeout(100)
        if name not in ("shoeboxes", "ice rings"):  # kept by find_spots if asked for; of ice
            assert pixels(page, "overlay")[..., 3].any(), name
        page.uncheck(f"[data-name='{name}']")
    page.check("[data-name='centres']")
    for fate in ("not indexed", "indexed", "outlier", "integrated"):
        page.uncheck(f"#fates [data-name='{fate}']")
    wait_until_clear(page)


def test_numbers_along_the_scan_are_drawn(page: Any, viewer: Viewing) -> None:
    got = viewer.arrays("scan", run=RUN)
    wait(page, "scan")
    pictures = set()
    for name in ("counts", "% indexed", "intensity", "I/sigma", "background"):
        page.select_option("#scan-what", name)
        pictures.add(pixels(page, "scan").tobytes())
    assert len(pictures) == 5
    page.select_option("#scan-what", "intensity")
    drawn = pixels(page, "scan")[..., 2] > 120  # blue of the curve
    width = drawn.shape[1]
    i = int(np.argmax(got["intensity"]))
    column = int((i + 0.5) / len(got["intensity"]) * width)
    rows = np.nonzero(drawn[:, column - 1 : column + 2].any(axis=1))[0]
    assert abs(rows.min() - 14) <= 2  # the largest is at the top


def test_panels_in_the_laboratory_and_the_fragment(page: Any) -> None:
    page.select_option("#layout", "laboratory")
    wait(page, IDLE)
    page.wait_for_timeout(300)
    assert "layout=laboratory" in page.url
    assert page.text_content("#message") == ""
    page.evaluate("(() => { location.hash = 'run=tiny_2&image=7&panel=1&x=10&y=20&zoom=8'; })()")
    wait(page, f"S.run === 'tiny_2' && S.image === 7 && S.zoom === 8 && {IDLE}")
    assert page.evaluate("toPanel(S.x, S.y)")[0] == 1
    np.testing.assert_allclose(page.evaluate("toPanel(S.x, S.y)")[1:], [10, 20], atol=1e-6)


def test_spots_are_asked_for_when_the_picture_is_complete(page: Any) -> None:
    page.evaluate(  # a link on which tiles take long
        "(() => { window.order = []; const own = fetch; window.fetch = async (at, more) => {"
        " const name = at.split('?')[0]; order.push('ask ' + name);"
        " if (name === 'tile') await new Promise((done) => setTimeout(done, 200));"
        " const reply = await own(at, more); order.push('got ' + name); return reply; }; })()"
    )
    page.evaluate("(() => { goTo(12); })()")
    wait(page, f"S.shown === shownKey() && marks && marksKey === shownKey() && {IDLE}")
    order = page.evaluate("order")
    wanted = page.evaluate("tilesInView(levelNow()).length")
    first = order.index("ask overlay")
    assert order[:wanted] == ["ask tile"] * wanted
    assert order[:first].count("got tile") == wanted
    assert "ask tile" not in order[wanted : order.index("got overlay")]  # neighbours come last
