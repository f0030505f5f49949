"""The exploration of an ensemble in the viewer: its numbers are those of `dxdask.explore`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.browser import closed, opened, pixels, wait
from support.viewer import Viewing

import dxdask
from dxdask.storage.store.store import Store

RUN = "tiny_2"


def test_curves_are_those_of_explore(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("explore", run=RUN, module=1, first=3, last=9)
    found = dxdask.explore(processed, runs=[RUN], modules=[1], images=(3, 9))
    assert got["chosen"] == [RUN]
    assert got["runs"] == list(processed.runs)
    assert got["modules"] == ["module_0", "module_1"]
    table = found.pixels()
    np.testing.assert_array_equal(got["pixels.0.x"], table["value"])
    np.testing.assert_array_equal(got["pixels.0.y"], table["n"])
    table = found.intensities()
    np.testing.assert_array_equal(got["intensities.0.y"], table["n"])
    table = found.pairs()
    assert got["n_pairs"] == len(table) == len(got["pairs.0.x"])
    np.testing.assert_allclose(got["pairs.0.x"], table["reference"], rtol=1e-6)
    np.testing.assert_array_equal(got["pairs.0.image"], table["image"])
    assert got["pairs.0.image"].min() >= 3
    assert got["pairs.0.image"].max() <= 9
    table = found.ratios(by=["run"], n_bins=16)
    np.testing.assert_allclose(got["ratios.0.y"], table["relative"], rtol=1e-6)
    ratios, masks = got["tables"]
    assert ratios["rows"][0]["n"] == found.ratios()["n"][0]
    assert masks["rows"][0]["any"] == found.masks()["any"][0]
    assert got["lines"] == []


def test_all_runs_and_modules_are_shown_where_none_is_chosen(
    viewer: Viewing, processed: Store
) -> None:
    got, found = viewer.arrays("explore"), dxdask.explore(processed)
    assert got["chosen"] == list(processed.runs)
    pairs = [len(got[f"pairs.{k}.x"]) for k in range(3)]
    assert sum(pairs) == got["n_pairs"] == len(found.pairs())
    n = found.pixels().groupby("run")["n"].sum()
    assert [got[f"pixels.{k}.y"].sum() for k in range(3)] == n.tolist()


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"run": "nosuch"}, "no run nosuch"),
        ({"module": 9}, "no module 9"),
        ({"module": "a"}, "whole numbers"),
        ({"first": 9, "last": 2}, "first one first"),
        ({"first": "x"}, "no number"),
    ],
)
def test_what_cannot_be_explored(viewer: Viewing, asked: dict[str, Any], text: str) -> None:
    reply = viewer.ask("explore", **asked)
    assert reply.status == 400
    assert text in reply.json["error"]


@pytest.mark.slow
@pytest.mark.browser
def test_controls_of_the_exploration(browser: Any, viewer: Viewing, processed: Store) -> None:
    page = opened(browser, viewer, f"run={RUN}&image=1")
    page.click("#explore-open")
    wait(page, "E.got && running === 0")
    assert page.evaluate("[...$('explore-runs').options].map((o) => o.value)") == list(
        processed.runs
    )
    for name in ("pixels", "intensities", "pairs", "ratios"):
        assert _colours(page, name) >= {0, 1, 2}, name
    # one run: its curve alone, in the colour that it had
    page.select_option("#explore-runs", [RUN])
    wait(page, "E.version === 2 && running === 0")
    for name in ("pixels", "intensities", "pairs", "ratios"):
        assert _colours(page, name) == {1}, name
    page.select_option("#explore-modules", ["1"])
    wait(page, "E.version === 3 && running === 0")
    page.fill("#explore-first", "3")
    page.press("#explore-first", "Enter")
    wait(page, "E.version === 4 && running === 0")
    page.fill("#explore-last", "9")
    page.press("#explore-last", "Enter")
    wait(page, "E.version === 5 && running === 0")
    found = dxdask.explore(processed, runs=[RUN], modules=[1], images=(3, 9))
    assert page.evaluate("E.got.n_pairs") == len(found.pairs())
    cells = page.locator("#explore-tables table").first.locator("td").all_text_contents()
    assert cells[:3] == [RUN, "module_1", str(len(found.pairs()))]
    # the largest number of pixels stands at the top of its curve, to half a pixel
    table = found.pixels()
    table = table[table["value"] <= 60]
    row = table.loc[table["n"].idxmax()]
    x, y = page.evaluate(
        "(() => { const c = $('chart-pixels').chart;"
        f" return [c.X({row['value']}), c.Y({row['n']})]; }})()"
    )
    drawn = _of(pixels(page, "chart-pixels"), 1)
    assert drawn[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].any()
    # a click on a pair goes to its image
    place = page.evaluate(
        "(() => { const c = $('chart-pairs').chart, s = c.series[0], k = s.x.length >> 1;"
        " return [c.X(s.x[k]), c.Y(s.y[k])]; })()"
    )
    near = page.evaluate(
        "(() => { const c = $('chart-pairs').chart, s = c.series[0];"
        " return s.image.filter((v, i) =>"
        f" Math.hypot(c.X(s.x[i]) - {place[0]}, c.Y(s.y[i]) - {place[1]}) < 2); }})()"
    )
    page.locator("#chart-pairs").click(position={"x": place[0], "y": place[1]})
    wait(page, "$('explore-panel').hidden && running === 0")
    assert page.evaluate("S.image") in list(near.values() if isinstance(near, dict) else near)
    page.click("#explore-open")
    page.click("#explore-all")
    wait(page, "E.version === 6 && E.got.chosen.length === 3 && running === 0")
    page.keyboard.press("Escape")
    assert page.evaluate("$('explore-panel').hidden")
    closed(page)


@pytest.mark.slow
@pytest.mark.browser
def test_what_cannot_be_explored_is_said(browser: Any, viewer: Viewing) -> None:
    page = opened(browser, viewer, f"run={RUN}&image=1")
    page.click("#explore-open")
    wait(page, "E.got && running === 0")
    page.fill("#explore-first", "9")
    page.press("#explore-first", "Enter")
    wait(page, "E.version === 2 && running === 0")
    page.fill("#explore-last", "2")
    page.press("#explore-last", "Enter")
    wait(page, "$('message').textContent.includes('first one first')")
    closed(page)


PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115))


def _of(picture: np.ndarray, k: int) -> np.ndarray:
    """Return the pixels (rows, columns) that have nearly the k-th colour."""
    return (np.abs(picture[..., :3].astype(int) - PALETTE[k]).max(axis=-1) < 40) & (
        picture[..., 3] > 200
    )


def _colours(page: Any, name: str) -> set[int]:
    """Return the colours of runs that a chart has below its title."""
    picture = pixels(page, f"chart-{name}")[20:]
    return {k for k in range(3) if _of(picture, k).any()}
