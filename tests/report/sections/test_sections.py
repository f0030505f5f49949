"""Sections beside the first ones: their numbers are those of the steps."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.pages import Page

from dxdask.columns import Flag, has_flag
from dxdask.report.page.encode import decoded
from dxdask.report.page.make import report_html
from dxdask.response.model import DetectorResponse
from dxdask.storage.store.store import Store
from dxdask.tables import Table


@pytest.fixture(scope="module")
def page(processed: Store) -> Page:
    return Page(report_html(processed))


@pytest.fixture
def copy(processed: Store, tmp_path: Path) -> Store:
    return Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))


def curve(page: Page, title: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    found = next(s for s in page.plot(title)["series"] if s["name"] == name)
    return decoded(found["x"]), decoded(found["y"])


def with_table(store: Store, step: str, table: Table) -> Store:
    """Return the store with a table of a step added or replaced."""
    result = store.read_step(step)
    kept = tuple(t for t in result.tables if t.name != table.name)
    store.write_step(
        step,
        dataclasses.replace(result, tables=(*kept, table)),
        parameters=store.step_attributes(step)["parameters"],
    )
    return store


def test_linearity_of_each_module(page: Page, processed: Store) -> None:
    arrays = processed.arrays("linearity")
    offsets, panel = arrays["pair_offsets"], arrays["pair_panel"]
    ratios = processed.table("linearity", "ratios")
    own, full = arrays["pair_intensity"], arrays["pair_reference"]
    n = [int(np.sum((panel[: offsets[1]] == k) & (own > 0)[: offsets[1]])) for k in range(2)]
    ratio = own[: offsets[1]] / full[: offsets[1]] / ratios["transmission"][0]
    for k, name in enumerate(("module_0", "module_1")):
        median = np.median(ratio[(panel[: offsets[1]] == k) & (ratio > 0)])
        assert f"tiny_1 {name} {n[k]} {median:.5f}" in " ".join(page.sections["linearity"].split())
    _, y = curve(page, "Linearity by intensity and module", "module_1")
    assert abs(np.nanmedian(y) - 1) < 0.1


def test_the_pairs_have_their_image(processed: Store) -> None:
    image = processed.arrays("linearity")["pair_image"]
    assert image.min() >= 1
    assert image.max() <= 14


def test_response_before_and_after(copy: Store) -> None:
    response = DetectorResponse(
        threshold=30, factor=1.02, offset=1.0, factor_su=1e-4, offset_su=0.01
    )
    # counts as a detector with this response has recorded them
    result = copy.read_step("histogram")
    counts = np.zeros_like(result.arrays["histogram"])
    recorded = response.counts(np.arange(1, 100))
    counts[:, recorded] = 1000 - np.arange(1, 100)
    arrays = {**result.arrays, "histogram": counts}
    copy.write_step("histogram", dataclasses.replace(result, arrays=arrays), parameters={})
    rows = [{"run": run, **response.to_dict(), "note": ""} for run in copy.runs]
    table = Table(name="detector_response", title="Response", rows=rows)
    page = Page(report_html(with_table(copy, "calibrate_detector", table)))
    name = "tiny_1 to tiny_3"
    x, y = curve(page, f"Counts less photons, {name}", "recorded")
    np.testing.assert_array_equal(y, response.counts(x.astype(int)) - x)
    title = f"Pixel values before and after correction, {name}"
    x, before = curve(page, title, "counts, as recorded")
    assert np.isnan(before[(x == 30) | (x == 31)]).all()  # the notch
    x, after = curve(page, title, "photons, corrected")
    np.testing.assert_array_equal(after, 3 * (1000 - x))


def test_delta_cc_half_with_the_excluded_part(copy: Store) -> None:
    rows = [
        {"run": f"r{i}", "n": 10, "delta_cc_half": d, "excluded_in_cycle": c}
        for i, (d, c) in enumerate([(0.01, None), (0.02, None), (-0.3, 1)])
    ]
    page = Page(
        report_html(
            with_table(copy, "scale", Table(name="delta_cc_half", title="Delta", rows=rows))
        )
    )
    x, y = curve(page, "Delta CC1/2 by run", "excluded")
    assert x.tolist() == [3]
    assert y.tolist() == [np.float32(-0.3)]
    _, limit = curve(page, "Delta CC1/2 by run", "mean - 4 standard deviations")
    delta = np.array([0.01, 0.02, -0.3])
    np.testing.assert_allclose(limit, delta.mean() - 4 * delta.std(), rtol=1e-6)


def test_absorption_of_each_run(copy: Store) -> None:
    rows = [
        {"experiment": i, "run": run, "l": 1, "m": m, "coefficient": 0.1 * (i + 1) * (m == 0)}
        for i, run in enumerate(copy.runs)
        for m in (-1, 0, 1)
    ]
    page = Page(
        report_html(
            with_table(copy, "scale", Table(name="absorption", title="Absorption", rows=rows))
        )
    )
    plot = page.plot("Absorption surface")
    box = decoded(plot["box"]).reshape(-1, 4)
    values = decoded(plot["values"][copy.runs[2]])
    polar = np.radians((box[:, 2] + box[:, 3]) / 2)
    expected = np.exp(0.3 * np.sqrt(3 / (4 * np.pi)) * np.cos(polar)) - 1
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert f"in {copy.runs[2]}" in page.sections["absorption"]


def test_absorption_that_is_not_in_the_scales_says_why(page: Page) -> None:
    assert "no absorption" in page.sections["absorption"]


def test_symmetry_elements_and_absences(copy: Store) -> None:
    operators = [
        {"cc": 0.99, "operator": "h,-k,-l", "present": "yes"},
        {"cc": 0.05, "operator": "k,h,-l", "present": "no"},
        {"cc": 0.98, "operator": "-h,k,-l", "present": "yes"},
    ]
    absences = [
        {"screw_axis": "21 along c", "i_over_sigma_present": 8.0, "i_over_sigma_absent": 0.2}
    ]
    result = dataclasses.replace(
        copy.read_step("integrate"),
        tables=(
            Table(name="operators", title="Elements", rows=operators),
            Table(name="systematic_absences", title="Absences", rows=absences),
        ),
        messages=("Laue group mmm",),
    )
    copy.write_step("symmetry", result, parameters={})
    page = Page(report_html(copy))
    title = "Correlation of equivalents by symmetry element"
    x, y = curve(page, title, "in the Laue group")
    assert x.tolist() == [1, 3]
    np.testing.assert_allclose(y, [0.99, 0.98], rtol=1e-6)
    assert curve(page, title, "not in it")[0].tolist() == [2]
    _, absent = curve(page, "Systematic absences", "axial reflections absent by the screw axis")
    np.testing.assert_allclose(absent, [0.2], rtol=1e-6)
    assert "Laue group mmm" in page.sections["symmetry"]


def test_amplitudes_of_merged_intensities(page: Page, processed: Store) -> None:
    merged = processed.columns("merge", ["intensity"])
    negative = int((merged["intensity"] < 0).sum())
    assert f"{negative} of " in page.sections["amplitudes"]
    assert "acentric" in page.sections["amplitudes"]


def test_cpu_and_memory_of_each_step(page: Page, processed: Store) -> None:
    for step in ("find_spots", "index", "merge"):
        found = processed.step_attributes(step)
        assert 0 < found["seconds"]["cpu"] < 600
        assert found["peak_memory"] > 1e7
    assert "cpu (s)" in page.sections["steps"]
    assert "peak memory (GB)" in page.sections["steps"]


def test_outliers_over_the_detector_have_the_image_that_their_links_lead_to(copy: Store) -> None:
    result = copy.read_step("scale")
    table = dict(result.reflections)
    rows = np.flatnonzero(table["intensity_variance"] > 0)[::50]
    flags = table["flags"].copy()
    flags[rows] |= np.uint32(Flag.OUTLIER_IN_SCALING)
    rows = np.flatnonzero(has_flag({"flags": flags}, Flag.OUTLIER_IN_SCALING))
    copy.write_step(
        "scale",
        dataclasses.replace(result, reflections=table | {"flags": flags}),
        parameters=copy.step_attributes("scale")["parameters"],
    )
    plot = Page(report_html(copy)).plot("Outliers over the detector")
    runs = [e.run for e in result.experiments]
    for i, run in enumerate(runs):
        own = rows[table["experiment"][rows] == i]
        found = next(s for s in plot["series"] if s["name"] == run)
        np.testing.assert_array_equal(decoded(found["image"]), np.floor(table["z_cal"][own]) + 1)
        assert len(decoded(found["x"])) == len(own)
    assert "image" not in plot["series"][-1]  # the outline of a panel


def test_reflections_by_multiplicity_are_all_unique_ones(page: Page, processed: Store) -> None:
    x, y = curve(page, "Reflections by multiplicity", "reflections")
    n = processed.columns("merge", ["n_observations"])["n_observations"]
    assert y.sum() == len(n)
    assert (x * y).sum() == n.sum()


def test_deviations_by_multiplicity_and_precision_are_of_the_same_observations(page: Page) -> None:
    counts = [
        decoded(page.plot(f"Deviations by {name}")["counts"]).sum()
        for name in ("intensity", "multiplicity", "I/sigma")
    ]
    assert counts[0] == counts[1] > 0
    assert 0.9 * counts[0] < counts[2] <= counts[0]  # not negative ones


def test_residuals_of_all_pairs_of_axes(page: Page) -> None:
    for axes in ("x and y", "x and z", "y and z"):
        assert decoded(page.plot(f"Residuals {axes}")["counts"]).sum() > 300


def test_efficiency_and_strong_reflections_over_the_detector(page: Page, processed: Store) -> None:
    r = processed.columns(
        "integrate", ["qe", "flags", "intensity_sum", "intensity_sum_variance", "x_cal"]
    )
    shown = page.plot("Quantum efficiency over the detector")["values"]
    found = decoded(shown["quantum efficiency"])
    found = found[np.isfinite(found)]
    assert r["qe"].min() - 1e-4 <= found.min() < found.max() <= r["qe"].max() + 1e-4
    with np.errstate(invalid="ignore", divide="ignore"):
        strong = r["intensity_sum"] / np.sqrt(r["intensity_sum_variance"]) > 5
    good = (r["flags"] & np.uint32(Flag.INTEGRATED)) == np.uint32(Flag.INTEGRATED)
    good &= ~has_flag(r, Flag.OVERLOADED)
    counts = decoded(page.plot("Strong reflections over the detector")["values"]["reflections"])
    assert counts.sum() == np.sum(strong & good)
