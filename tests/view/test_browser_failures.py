"""What goes wrong is said in the page, and the server lives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.browser import READY, closed, opened, wait
from support.viewer import Viewing, viewing

import dxdask
from dxdask.storage.store.store import Store

RUN = "tiny_1"
pytestmark = [pytest.mark.slow, pytest.mark.browser]


def says(page: Any, text: str) -> None:
    wait(page, f"$('message').textContent.includes({text!r})")


def test_ten_browsers_at_once(browser: Any, viewer: Viewing) -> None:
    pages = []
    for k in range(10):
        page = browser.new_context().new_page()
        page.goto(f"{viewer.address}#run={RUN}&image={k + 1}", wait_until="commit")
        pages.append(page)
    for k, page in enumerate(pages):
        wait(page, f"typeof models !== 'undefined' && {READY} && S.image === {k + 1}", 60)
        assert page.text_content("#message") == ""
        page.context.close()


def test_a_wrong_token(browser: Any, viewer: Viewing) -> None:
    page = browser.new_page()
    reply = page.goto(viewer.address[:-3] + "xyz")
    assert reply.status == 403
    assert "the token is wrong" in page.content()
    page.close()
    page = opened(browser, viewer, f"run={RUN}&image=1")
    # of a viewer that was started again since
    page.evaluate(
        "(() => { const own = fetch; window.fetch = (at, more) =>"
        " own(at, {...more, headers: {'X-Dxdask-Token': 'old'}}); })()"
    )
    page.evaluate("(() => { goTo(9); })()")
    says(page, "the token is wrong")
    closed(page)


def test_browsers_that_close_while_loading(browser: Any, viewer: Viewing) -> None:
    for _ in range(5):
        page = browser.new_page()
        page.goto(f"{viewer.address}#run={RUN}&image=3", wait_until="commit")
        page.close()
    closed(opened(browser, viewer, f"run={RUN}&image=2"))


def test_an_empty_store_and_one_that_is_being_written(
    browser: Any, processed: Store, tmp_path: Path
) -> None:
    store = Store.create(tmp_path / "growing.zarr")
    frames = processed.frame_reader(RUN).read(0, 14)
    with viewing(store.path) as viewer:
        page = opened(browser, viewer, "", "summary && running === 0")
        says(page, "no complete run yet")
        with store.writing():
            writer = store.create_run(
                RUN, processed.run_experiment(RUN), n_images=14,
                shape=frames.shape[1:], dtype=frames.dtype,
            )  # fmt: skip
            writer.write(0, frames)
            writer.finish()
        wait(page, READY, 30)
        assert page.text_content("#message") == ""
        closed(page)


def test_a_linked_file_that_is_gone(browser: Any, raw: list[Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw[0].parent, tmp_path / "raw")) / raw[0].name
    store = dxdask.import_([copy], tmp_path / "linked.zarr", link=True)
    with viewing(store.path, cache=1.0) as viewer:
        page = opened(browser, viewer, "image=1")
        for file in (tmp_path / "raw").iterdir():
            file.unlink()
        page.evaluate("(() => { tiles.clear(); goTo(9); })()")
        wait(page, "$('message').textContent.length > 0")
        assert "tiny" in page.text_content("#message")
        closed(page)


def test_a_viewer_that_has_ended(browser: Any, processed: Store) -> None:
    with viewing(processed.path) as viewer:
        page = opened(browser, viewer, f"run={RUN}&image=1")
    page.evaluate("(() => { goTo(11); })()")
    says(page, "is dxdask view running?")
    closed(page)


def test_progress_and_log_of_a_running_job(browser: Any, processed: Store, tmp_path: Path) -> None:
    from dxdask.cluster.job_record import recorded, report

    path = Path(shutil.copytree(processed.path, tmp_path / "busy.zarr"))
    log = tmp_path / "busy.log"
    log.write_text("2026-01-01 INFO dxdask 1.0 process\n2026-01-01 INFO find_spots (1.0 s)\n")
    with viewing(path) as viewer:
        page = opened(browser, viewer, f"run={RUN}&image=1")
        with recorded(path, "process", log):
            report("process", 10, 40, "integrate")
            page.evaluate("(() => { watch(); })()")
            wait(page, "$('job').textContent.includes('10/40')")
            assert "integrate" in page.text_content("#job")
            assert page.evaluate("$('job-done').value / $('job-done').max") == 0.25
            page.click("#log-open")
            assert "find_spots (1.0 s)" in page.text_content("#log")
        wait(page, "$('job').textContent === 'no job is running'")
        closed(page)
