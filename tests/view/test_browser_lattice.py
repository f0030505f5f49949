"""The reciprocal lattice in a headless Chromium: points where they are calculated to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.browser import closed, opened, space_pixels, wait
from support.viewer import Viewing

from dxdask.storage.store.store import Store
from dxdask.view.overlays import Kind

RUN = "tiny_3"
BACKGROUND = 18  # of the canvas, 0.07 of 255
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def page(browser: Any, viewer: Viewing) -> Iterator[Any]:
    found = opened(browser, viewer, f"run={RUN}&image=5")
    found.click("#space-open")
    wait(found, "L.points && running === 0 && L.frames > 0")
    yield found
    closed(found)


def screen_of(page: Any, points: dict[str, np.ndarray]) -> np.ndarray:
    """Return the position (n, 2) of each point on the screen, seen along z."""
    width, height = page.evaluate("view()")
    scale = 0.45 * min(width, height) / 32767
    x, y = points["xyz"][:, 0] * scale + width / 2, height / 2 - points["xyz"][:, 1] * scale
    return np.stack([x, y], axis=1)


def test_points_are_where_their_vectors_are(page: Any, viewer: Viewing) -> None:
    points = viewer.arrays("lattice")
    page.uncheck("#space-axes")
    page.click("[data-along='z']")
    lit = (space_pixels(page)[..., :3] > BACKGROUND).any(axis=2)
    at = screen_of(page, points)
    assert (lit[at[:, 1].astype(int), at[:, 0].astype(int)]).mean() > 0.99
    rows, columns = np.nonzero(lit)
    away = np.hypot(columns[:, None] + 0.5 - at[:, 0], rows[:, None] + 0.5 - at[:, 1])
    assert away.min(axis=1).max() < 2.0  # points of two pixels


def test_kinds_limits_and_lattices_choose_points(page: Any, viewer: Viewing) -> None:
    points = viewer.arrays("lattice")
    page.uncheck("#space-axes")

    def n_lit() -> int:
        return int((space_pixels(page)[..., :3] > BACKGROUND).any(axis=2).sum())

    every = n_lit()
    page.fill("#space-dmin", "4")
    some = n_lit()
    d = 1.0 / np.linalg.norm(points["xyz"] * points["unit"], axis=1)
    assert 0 < some < every
    assert (d > 4.0).any()
    page.fill("#space-dmax", "4.0001")
    assert n_lit() < some
    page.fill("#space-dmin", "")
    page.fill("#space-dmax", "")
    page.fill("#space-lattice", "7")
    assert n_lit() == 0
    page.fill("#space-lattice", "")
    for kind in ("not indexed", "indexed", "outlier"):
        page.uncheck(f"#space-kinds [data-name='{kind}']")
    assert n_lit() == 0
    page.check("#space-kinds [data-name='outlier']")
    assert (n_lit() > 0) == bool((points["kind"] == Kind.OUTLIER).any())


def test_colours_are_those_of_fate_run_and_residual(page: Any, viewer: Viewing) -> None:
    points = viewer.arrays("lattice", run=RUN)
    page.select_option("#space-runs", "one")
    wait(page, "L.key && running === 0")
    page.uncheck("#space-axes")
    page.click("[data-along='z']")
    at = screen_of(page, points).astype(int)
    alone = np.abs(at[:, None] - at[None]).max(axis=2) + 99 * np.eye(len(at)) > 4
    i = int(np.flatnonzero(alone.all(axis=1) & (points["kind"] == Kind.INDEXED))[0])
    colour = {}
    for way in ("fate", "run", "lattice", "residual"):
        page.select_option("#space-colours", way)
        colour[way] = space_pixels(page)[at[i, 1], at[i, 0], :3].astype(int)
    np.testing.assert_allclose(colour["fate"], [0x56, 0xB4, 0xE9], atol=1)
    palette = [[0x00, 0x72, 0xB2], [0xE6, 0x9F, 0x00], [0x00, 0x9E, 0x73]]
    np.testing.assert_allclose(colour["run"], palette[points["run"][i]], atol=1)
    np.testing.assert_allclose(colour["lattice"], palette[0], atol=1)
    t = points["residual"][i] / 255
    low, middle, high = np.array([[0.2, 0.5, 1.0], [1.0, 0.9, 0.3], [0.9, 0.1, 0.1]])
    mixed = low + (middle - low) * 2 * t if t < 0.5 else middle + (high - middle) * (2 * t - 1)
    np.testing.assert_allclose(colour["residual"], 255 * mixed, atol=2)


def test_a_click_goes_to_the_spot(page: Any, viewer: Viewing, processed: Store) -> None:
    points = viewer.arrays("lattice")
    page.click("[data-along='z']")
    at = screen_of(page, points)
    apart = np.linalg.norm(at[:, None] - at[None], axis=2) + 99 * np.eye(len(at))
    i = int(np.argmax(apart.min(axis=1)))
    spot = viewer.ask("lattice_spot", point=i, version=points["version"]).json
    page.click("#space", position={"x": float(at[i, 0]), "y": float(at[i, 1])})
    wait(page, f"!L.open && S.run === '{spot['run']}' && S.image === {spot['image']}")
    wait(page, "running === 0")
    offset = processed.run_experiment(spot["run"]).detector[spot["panel"]].offset
    np.testing.assert_allclose(
        page.evaluate("[S.x, S.y]"), [spot["x"] + offset[0], spot["y"] + offset[1]], atol=0.01
    )
    assert page.is_hidden("#space-panel")


def test_it_turns_by_dragging_and_by_itself(page: Any) -> None:
    page.click("[data-along='z']")
    box = page.locator("#space").bounding_box()
    x, y = box["x"] + 300, box["y"] + 300
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=5)
    page.mouse.up()
    turn = np.array(page.evaluate("L.turn")).reshape(3, 3)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    # what was in front has moved to the right, as the pointer has
    assert (turn @ [0.0, 0.0, 1.0])[0] > 0.5
    frames = page.evaluate("L.frames")
    page.check("#space-spin")
    wait(page, f"L.frames > {frames} + 5")
    page.uncheck("#space-spin")
    assert np.abs(np.array(page.evaluate("L.turn")).reshape(3, 3) - turn).max() > 1e-3
    zoom = page.evaluate("L.zoom")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    wait(page, f"L.zoom > {zoom}")


def test_a_sample_is_drawn_while_it_turns_and_all_at_rest(page: Any) -> None:
    n = page.evaluate("L.points.kind.length")
    page.evaluate(
        "(() => { window.drawn = []; const own = gl.drawArrays.bind(gl); gl.drawArrays ="
        " (mode, from, n) => { if (mode === gl.POINTS) drawn.push(n); own(mode, from, n); }; })()"
    )
    page.evaluate("(() => { L.n = 100; turnBy(0.1, 0); moveSpace(); })()")
    assert page.evaluate("drawn") == [100]
    wait(page, f"drawn[drawn.length - 1] === {n}")
    # the first ones are in all octants as all are
    xyz = np.array(page.evaluate("[...L.points.xyz]")).reshape(-1, 3)
    octant = (xyz > 0) @ [1, 2, 4]
    first, every = (np.bincount(octant[:k], minlength=8) / k for k in (500, n))
    np.testing.assert_allclose(first, every, atol=0.08)  # 4 standard deviations or more


def test_axes_are_those_of_the_crystal(page: Any, processed: Store) -> None:
    a = np.asarray(
        next(e for e in processed.experiments("refine") if e.run == RUN).crystal.a  # type: ignore[union-attr]
    )
    for k, name in enumerate(("a*", "b*", "c*")):
        page.click(f"[data-along='{name}']")
        turn = np.array(page.evaluate("L.turn")).reshape(3, 3)
        along = a[:, k] / np.linalg.norm(a[:, k])
        np.testing.assert_allclose(turn @ along, [0, 0, 1], atol=1e-5)
        width, height = page.evaluate("view()")
        label = page.locator(f"#axis-{k}").bounding_box()
        panel = page.locator("#space-panel").bounding_box()
        assert label["x"] - panel["x"] == pytest.approx(width / 2 + 4, abs=1.0)
        assert label["y"] - panel["y"] == pytest.approx(height / 2 - 8, abs=1.0)
    page.uncheck("#space-axes")
    assert page.is_hidden("#axis-0")


def test_points_in_the_axes_of_the_crystals(page: Any, viewer: Viewing) -> None:
    page.select_option("#space-of", "crystal")
    wait(page, "L.points && L.asked.of === 'crystal' && running === 0")
    points = viewer.arrays("lattice", of="crystal")
    page.uncheck("#space-axes")
    page.click("[data-along='z']")
    lit = (space_pixels(page)[..., :3] > BACKGROUND).any(axis=2)
    at = screen_of(page, points)
    assert (lit[at[:, 1].astype(int), at[:, 0].astype(int)]).mean() > 0.99
    assert page.evaluate("L.points.kind.length") == len(points["kind"])
