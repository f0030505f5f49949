"""The report of a store: sections, numbers, size; bad input."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from support.ensemble_example import QUICK
from support.pages import Page

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.errors import DxdaskError, InputError, StoreNotFoundError
from dxdask.report.page.encode import decoded
from dxdask.report.page.make import report_html
from dxdask.report.sections import all_sections
from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def page(processed: Store) -> Page:
    return Page(report_html(processed))


@pytest.fixture(scope="module")
def stills_page(stills_store: Store) -> Page:
    return Page(report_html(stills_store))


def curve(page: Page, title: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    found = next(s for s in page.plot(title)["series"] if s["name"] == name)
    return decoded(found["x"]), decoded(found["y"])


def test_every_section_of_a_processed_ensemble_is_there(page: Page) -> None:
    expected = {s.name for s in all_sections() if "sweeps" in s.kinds}
    steps = {"find_spots", "index", "refine", "integrate", "scale", "merge", "histogram"}
    made = {s.name for s in all_sections() if {"sweeps"} <= {*s.kinds} and {*s.needs} <= steps}
    assert made <= page.sections.keys()
    assert page.sections.keys() - {"absent"} <= expected
    assert page.open == []
    assert page.figures == list(range(len(page.plots)))


def test_every_section_of_stills_is_there(stills_page: Page) -> None:
    assert {"summary", "runs", "spots", "stills", "merging", "steps"} <= stills_page.sections.keys()
    _, hits = curve(stills_page, "Hits and indexed events along the run", "hits")
    assert len(hits) >= 1


def test_the_page_needs_no_network(page: Page, processed: Store) -> None:
    text = report_html(processed)
    assert "http://" not in text
    assert "https://" not in text
    assert page.sources == []
    assert "@import" not in text
    assert "url(" not in text
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= page.sections.keys()


def test_numbers_of_curves_are_those_of_the_tables(page: Page, processed: Store) -> None:
    images = processed.table("find_spots", "images")
    for run in processed.runs:
        own = images[images["run"] == run]
        x, y = curve(page, "Spots by image", run)
        np.testing.assert_array_equal(x, own["image"])
        np.testing.assert_array_equal(y, own["n_spots"])
    background = processed.table("integrate", "images")
    own = background[background["run"] == processed.runs[1]]
    _, y = curve(page, "Background by image", processed.runs[1])
    np.testing.assert_array_equal(y, own["mean_background"].to_numpy().astype(np.float32))
    shells = processed.table("merge", "shells")
    _, y = curve(page, "CC1/2 by resolution", "cc_half")
    np.testing.assert_array_equal(y, shells["cc_half"].to_numpy(float).astype(np.float32))


def test_rmsds_of_curves_are_those_of_the_reflections(page: Page, processed: Store) -> None:
    table = processed.columns("refine", run=processed.runs[0])
    used = has_flag(table, Flag.USED_IN_REFINEMENT)
    off, image = (table["x"] - table["x_cal"])[used], np.floor(table["z"][used]).astype(int) + 1
    x, y = curve(page, "RMSD x by image", processed.runs[0])
    expected = [np.sqrt(np.mean(off[image == i] ** 2)) if (image == i).any() else np.nan for i in x]
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_maps_hold_every_spot(page: Page, processed: Store) -> None:
    indexed = has_flag(processed.columns("index", ["flags"]), Flag.INDEXED)
    counts = decoded(page.plot("Indexed spots over the detector")["counts"])
    assert counts.sum() == indexed.sum()


def test_the_parameters_that_were_given_are_shown(page: Page) -> None:
    assert "I 21 3" in page.sections["runs"]
    assert any(name.rpartition(".")[2] in page.sections["runs"] for name in QUICK)


def test_a_store_without_steps(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[0], tmp_path / "a.zarr")
    found = Page(report_html(store))
    assert "no step has run" in found.sections["summary"]
    assert "dxdask find_spots" in found.sections["absent"]
    assert "dxdask merge" in found.sections["absent"]
    assert found.plots == []


def test_an_empty_store(tmp_path: Path) -> None:
    found = Page(report_html(Store.create(tmp_path / "e.zarr")))
    assert "dxdask import" in found.sections["runs"]


def test_frames_that_are_gone_are_not_needed(raw: list[Path], tmp_path: Path) -> None:
    file = Path(shutil.copytree(raw[0].parent, tmp_path / "raw")) / raw[0].name
    store = dxdask.import_(file, tmp_path / "a.zarr", link=True)
    dxdask.find_spots(store, show=dxdask.quiet)
    shutil.rmtree(tmp_path / "raw")
    found = Page(report_html(dxdask.open(tmp_path / "a.zarr", "r")))
    assert "Spots by image" in found.sections["spots"]


def test_a_store_that_is_being_written(processed: Store, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))
    result, stop = store.read_step("merge"), threading.Event()

    def write() -> None:
        while not stop.is_set():
            store.write_step("merge", result, parameters={})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            assert "summary" in Page(report_html(Store.open(store.path, "r"))).sections
    finally:
        stop.set()
        writer.join()


def test_a_damaged_step_leaves_the_others(processed: Store, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))
    for file in store.path.rglob("*refine*/**/x_cal/**/c/*"):
        if file.is_file():
            file.write_bytes(b"?")
    found = Page(report_html(store))
    assert "merging" in found.sections


def test_the_command_writes_the_page(processed: Store, tmp_path: Path) -> None:
    from dxdask.cli.main import run

    out = tmp_path / "r.html"
    assert run(["report", str(processed.path), "-o", str(out)]) == 0
    assert "summary" in Page(out.read_text()).sections
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_errors_are_one_line(processed: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        dxdask.report(tmp_path / "no.zarr", tmp_path / "r.html")
    with pytest.raises(InputError, match="give another -o"):
        dxdask.report(processed, tmp_path / "no" / "r.html")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DxdaskError):
        dxdask.report(tmp_path / "file", tmp_path / "r.html")


@pytest.mark.shared
@pytest.mark.slow
def test_the_summary_states_the_faults_of_a_detector(shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data" / "insulin").glob("*/*.nxs"))
    store = dxdask.process(
        files, tmp_path / "i.zarr", space_group="I213", link=True, show=dxdask.quiet
    )
    text = report_html(store)
    assert len(text) < 2e6
    summary = Page(text).sections["summary"]
    # of the truth: module 1 by +0.3, +1.5 px; counts of 30 and more recorded with a step; pixels
    # dead and hot that the mask of the file has not; saturation at 10 000
    assert "out of place in the header: module_1 by +0.30 px along fast, +1.50" in summary
    assert "notch" in summary
    assert "30-31" in summary
    assert "dead" in summary
    assert "hot" in summary
    assert "at saturation or above" in summary
