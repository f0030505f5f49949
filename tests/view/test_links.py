"""The ledger in the viewer, and links from rows and points to the picture."""

from __future__ import annotations

import urllib.parse
from typing import Any

import numpy as np
import pytest
from support.browser import READY, closed, opened, wait
from support.viewer import Viewing, viewing

import dxdask
from dxdask.storage.store.store import Store

RUN = "tiny_1"


def test_the_fate_of_a_frame_and_of_an_index(viewer: Viewing, processed: Store) -> None:
    known = dxdask.why(processed, RUN, 3)
    got = viewer.ask("why", run=RUN, image=3).json
    assert got["lines"] == list(known.lines)
    assert [t["title"] for t in got["tables"]] == [t.title for t in known.tables]
    # each fate leads to the first spot, or reflection, that has it
    for given, step in zip(got["tables"][:2], ("refine", "scale"), strict=True):
        table = processed.columns(step, ["panel", "x", "y", "z"])
        for row in given["rows"]:
            at, k = row["at"], row["row"]
            assert (at["run"], at["image"], at["panel"]) == (RUN, 3, table["panel"][k])
            if np.isfinite(table["x"][k]):
                assert (at["x"], at["y"]) == pytest.approx((table["x"][k], table["y"][k]))
                assert int(np.floor(table["z"][k])) + 1 in (2, 3, 4)
    got = viewer.ask("why", run=RUN, image=1, hkl="3,1,4").json
    rows = got["tables"][0]["rows"]
    assert rows
    table = processed.columns("refine", ["panel", "x", "y", "z"])
    for row in rows:
        assert row["panel"] == table["panel"][row["row"]]
        assert row["x"] == pytest.approx(table["x"][row["row"]])
        assert row["image"] == int(table["z"][row["row"]]) + 1


@pytest.mark.parametrize(
    ("change", "text"),
    [({"hkl": "a,b"}, "three integers"), ({"hkl": "1,2"}, "hkl=H,K,L"), ({"image": 99}, "images")],
)
def test_what_cannot_be_explained(viewer: Viewing, change: dict[str, Any], text: str) -> None:
    reply = viewer.ask("why", **({"run": RUN, "image": 1} | change))
    assert reply.status == 400
    assert text in reply.json["error"]


def test_the_report_is_served_under_its_own_policy(viewer: Viewing) -> None:
    reply = viewer.ask("report")
    nonce = reply.headers["Content-Security-Policy"].split("nonce-")[1].split("'")[0]
    text = reply.content.decode()
    assert text.count(f'<script nonce="{nonce}">') == 2
    assert text.count(f'<style nonce="{nonce}">') == 1
    assert "<script>" not in text


@pytest.mark.slow
@pytest.mark.browser
def test_rows_and_points_lead_to_the_image(browser: Any, viewer: Viewing) -> None:
    page = opened(browser, viewer, f"run={RUN}&image=1")
    page.fill("#why-hkl", "3,1,4")
    page.press("#why-hkl", "Enter")
    wait(page, "!$('ledger').hidden && running === 0")
    row = viewer.ask("why", run=RUN, image=1, hkl="3,1,4").json["tables"][0]["rows"][0]
    page.locator("#ledger .link").first.click()
    wait(page, f"S.run === '{row['run']}' && S.image === {row['image']} && running === 0")
    panel, x, y = page.evaluate("toPanel(S.x, S.y)")
    assert (panel, x, y) == (row["panel"], pytest.approx(row["x"]), pytest.approx(row["y"]))
    page.click("#why")
    wait(page, f"$('ledger').textContent.includes('image {row['image']} of {row['run']}')")
    row = viewer.ask("why", run=row["run"], image=row["image"]).json["tables"][0]["rows"][0]
    page.locator("#ledger .link").first.click()
    wait(page, f"S.image === {row['at']['image']} && running === 0")
    panel, x, y = page.evaluate("toPanel(S.x, S.y)")
    assert (panel, x) == (row["at"]["panel"], pytest.approx(row["at"]["x"]))
    page.click("#ledger-close")
    page.click("#report")
    page.wait_for_selector("td a")
    links = page.locator("[data-table='batches'] td a[href*='image=11']")
    href = links.first.get_attribute("href") if links.count() else None
    spots = page.locator("figure", has_text="by image").first
    spots.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    place = spots.evaluate(
        "(f) => { const p = f.plot, s = p.series[0], r = p.canvas.getBoundingClientRect();"
        " return [p.X(s.x[4]), p.Y(s.y[4]), p.data.x, Math.round(s.x[4]), s.name]; }"
    )
    assert place[2] == "image"
    spots.locator("canvas").click(position={"x": place[0], "y": place[1]})
    wait(page, f"typeof models !== 'undefined' && {READY}")
    assert page.evaluate("S.image") == place[3]
    if href:
        page.goto(viewer.address.split("?")[0] + href.removeprefix("./"))
        wait(page, READY)
        assert f"image={page.evaluate('S.image')}" in href
    closed(page)


@pytest.mark.slow
@pytest.mark.browser
def test_points_of_a_detector_that_have_an_image_lead_to_it(browser: Any, viewer: Viewing) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(f"{viewer.address.replace('/?', '/report?')}")
    page.wait_for_selector("td a")
    plot = page.locator("figure", has_text="by image").first
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    # points as those of the outliers of scaling, which this store has none of
    place = plot.evaluate(
        "(f) => { const p = f.plot, s = p.series[0];"
        " p.data.x = 'fast (px)'; p.data.y = 'slow (px)';"
        f" s.name = '{RUN}'; s.image = Array.from(s.x, (v, i) => i + 2);"
        " return [p.X(s.x[4]), p.Y(s.y[4]), s.x[4], s.y[4]]; }"
    )
    plot.locator("canvas").click(position={"x": place[0], "y": place[1]})
    wait(page, f"typeof models !== 'undefined' && {READY}")
    assert page.evaluate("[S.run, S.image]") == [RUN, 6]
    assert page.evaluate("[S.x, S.y]") == pytest.approx(place[2:], abs=0.01)
    page.close()


def report_of(browser: Any, viewer: Viewing) -> Any:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(f"{viewer.address.replace('/?', '/report?')}")
    page.wait_for_selector("td a")
    return page


@pytest.mark.slow
@pytest.mark.browser
def test_rows_of_tables_lead_to_what_they_name(
    browser: Any, viewer: Viewing, processed: Store
) -> None:
    page = report_of(browser, viewer)
    links = page.evaluate(
        "[...document.querySelectorAll('div.table')].flatMap((d) => [...d.querySelectorAll('td a')]"
        ".map((a) => [d.closest('section').id, d.dataset.table, a.getAttribute('href')]))"
    )
    page.close()
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for section, table, href in links:
        values = dict(urllib.parse.parse_qsl(href.partition("#")[2]))
        assert values["run"] in processed.runs
        found.setdefault((section, table), []).append(values)
    # whatever the headings are called, and rows of several runs, and columns of runs
    for where in (
        ("runs", "runs"), ("spots", "imagesets"), ("residuals", "rmsds"),
        ("crystals", "crystals"), ("integration", "summary"), ("linearity", "ratios"),
    ):  # fmt: skip
        assert [v["run"] for v in found[where]] == list(processed.runs), where
    assert {v["run"] for v in found["ledger", "ledger"]} == set(processed.runs)
    batches = processed.table("merge", "batches")
    assert [int(v["image"]) for v in found["merging", "batches"]] == list(batches["first_image"])
    regions = processed.table("refine", "regions")
    places = [(int(v["panel"]), float(v["x"])) for v in found["detector", "regions"]]
    assert [panel for panel, _ in places] == list(regions["panel"])
    np.testing.assert_allclose([x for _, x in places], regions["x"], atol=0.5)
    # ten of them, opened
    chosen = [href for _, _, href in links][:: max(1, len(links) // 10)]
    page = opened(browser, viewer, "")
    for href in chosen[:10]:
        values = dict(urllib.parse.parse_qsl(href.partition("#")[2]))
        page.evaluate(f"(() => {{ location.hash = '{href.partition('#')[2]}'; }})()")
        wait(page, f"S.run === '{values['run']}' && {READY}")
        if "image" in values:
            assert page.evaluate("S.image") == int(values["image"])
        if "panel" in values:
            panel, x, y = page.evaluate("toPanel(S.x, S.y)")
            assert (panel, x, y) == pytest.approx(
                (int(values["panel"]), float(values["x"]), float(values["y"])), abs=0.01
            )
    closed(page)


@pytest.mark.slow
@pytest.mark.browser
def test_a_place_of_a_map_leads_to_the_detector(browser: Any, viewer: Viewing) -> None:
    page = report_of(browser, viewer)
    plot = page.locator("figure", has_text="Background over the detector").first
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    u, v = plot.evaluate("(f) => [f.plot.X(100), f.plot.Y(60)]")
    plot.locator("canvas").click(position={"x": u, "y": v})  # of zooming
    assert "report" in page.url
    plot.locator("canvas").click(position={"x": u, "y": v}, modifiers=["Shift"])
    wait(page, f"typeof models !== 'undefined' && {READY}")
    assert page.evaluate("[S.x, S.y]") == pytest.approx([100, 60], abs=1.0)
    assert page.evaluate("S.run") == RUN
    page.close()


@pytest.mark.slow
@pytest.mark.browser
def test_events_lead_to_their_image(browser: Any, stills_store: Store) -> None:
    with viewing(stills_store.path) as viewer:
        page = report_of(browser, viewer)
        plot = page.locator("figure", has_text="Spots by event").first
        plot.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        u, v, run, image = plot.evaluate(
            "(f) => { const p = f.plot, s = p.series[p.series.length - 1];"
            " return [p.X(s.x[0]), p.Y(s.y[0]), s.run[0], s.image[0]]; }"
        )
        rows = stills_store.table("index", "stills")
        assert rows[rows["indexed"]].iloc[0]["image"] == image
        plot.locator("canvas").click(position={"x": u, "y": v})
        wait(page, f"typeof models !== 'undefined' && {READY}")
        assert page.evaluate("[S.run, S.image]") == [stills_store.runs[int(run)], image]
        page.close()
