"""Tables and reports in 80 columns, and the summary of a job."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processed_files import write_job

import dxdask
from dxdask.cli.brief import LINES, brief
from dxdask.cli.layout import WIDTH, brief_table, whole_table
from dxdask.cli.overview import overview
from dxdask.cli.summary import summary_lines
from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions import Suspicion, suspicions
from dxdask.storage.store.store import Store
from dxdask.tables import Table

CELLS = st.one_of(
    st.none(), st.integers(-(10**9), 10**9), st.floats(allow_nan=True),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> Table:
    keys = draw(st.lists(st.text("abcdefghij_", min_size=1, max_size=25), unique=True, max_size=18))
    rows = draw(st.lists(st.tuples(*(CELLS for _ in keys)), max_size=6)) if keys else []
    return Table(
        name=draw(st.sampled_from(["crystals", "summary", "x"])),
        title="A table",
        rows=[dict(zip(keys, row, strict=True)) for row in rows],
    )


@given(tables())
def test_any_table_fits_the_width_and_whole_ones_lose_nothing(table: Table) -> None:
    lines, _ = brief_table(table)
    assert max(map(len, lines)) <= WIDTH
    text = whole_table(table)
    assert max(map(len, text.split("\n"))) <= WIDTH
    for row in table.body():
        for cell in row:
            if cell and len(cell) <= 12:
                assert cell in text


@given(st.lists(tables(), max_size=5), st.lists(st.text(max_size=30), max_size=60))
def test_any_report_is_short(several: list[Table], messages: list[str]) -> None:
    lines, _ = brief([m.replace("\r", " ") for m in messages], several, ["a", "b"], LINES - 4)
    assert len(lines) <= LINES - 4


def test_what_is_left_out_is_known() -> None:
    small = Table(name="x", title="T", rows=[{"a": 1}])
    assert brief(["one"], [small], []) == (["one", "", "T:", "  a", "  1"], True)
    _, complete = brief([f"message {i}" for i in range(40)], [small], [])
    assert not complete
    large = dataclasses.replace(small, rows=[{"a": i} for i in range(90)])
    lines, complete = brief([], [large], [])
    assert len(lines) == LINES
    assert lines[-1].strip().endswith("more rows")
    assert not complete


def test_runs_that_are_equal_are_one_row() -> None:
    rows = [{"experiment": i, "run": f"r{i}", "a": 78.0} for i in range(5)]
    table = Table(name="crystals", title="T", rows=rows)
    assert brief_table(table)[0][1:] == ["  run       a", "  all 5  78.0"]
    rows[2]["a"] = 79.0
    assert len(brief_table(dataclasses.replace(table, rows=rows))[0]) == 7
    rows[2]["a"] = 78.0
    assert len(brief_table(dataclasses.replace(table, rows=rows), every_run=True)[0]) == 7


def test_long_texts_are_whole_where_they_fit() -> None:
    label = "DelAnom correlation between half-sets"
    table = Table(name="x", title="T", rows=[{"label": label, "overall": 0.071}])
    assert label in brief_table(table)[0][2]


def test_messages_of_runs_are_shortened_run_by_run() -> None:
    messages = [
        f"{run}: {text} {i}" for run in "ab" for i, text in enumerate(["first", *"xyz", "last"])
    ]
    lines, complete = brief(messages, [Table(name="t", title="T", rows=[{"a": 1}])], ["a", "b"])
    assert lines[:2] == ["a: first 0 ... last 4", "b: first 0 ... last 4"]
    assert not complete


def test_tables_come_before_messages_where_both_do_not_fit() -> None:
    runs = [f"r{i}" for i in range(5)]
    names = ("imagesets", "rmsds", "crystals")
    several = [
        Table(name=name, title=name, rows=[{"run": r, "x": i} for i, r in enumerate(runs)])
        for name in names[:2]
    ]
    several.append(
        Table(name="crystals", title="crystals", rows=[{"run": r, "a": 78.0} for r in runs])
    )
    lines, complete = brief([f"message {i}" for i in range(40)], several, runs, 26)
    assert [line[:-1] for line in lines if line.endswith(":")] == list(names)
    assert not complete
    assert lines[:2] == ["message 0", "message 1"]


def test_bravais_settings_show_the_lattice_and_the_cell() -> None:
    row = {
        "mark": "**", "solution": 22, "acceptable": True, "recommended": True, "metric_fit": 0.1,
        "rmsd": 0.036, "min_cc": 0.755, "max_cc": 0.953, "n_spots": 10183, "lattice": "cI",
        "unit_cell": "110.23 111.12 112.40 109.4 109.4 109.5", "volume": 474509.0,
    }  # fmt: skip
    lines, complete = brief_table(Table(name="bravais", title="T", rows=[row]))
    assert lines[-1].split() == ["**", "22", "0.036", "0.755", "cI", *str(row["unit_cell"]).split()]
    assert not complete


def test_the_overview_names_each_run_and_says_where_frames_are(tmp_path: Path) -> None:
    files = write_job(tmp_path, "integrate")
    store = dxdask.combine_experiments(files, tmp_path / "c.zarr")
    lines = overview(store)
    assert any(line.startswith("  frames") and line.endswith(", absent") for line in lines)
    twice = dxdask.combine_experiments([store, store], tmp_path / "d.zarr")
    for run in twice.runs:
        assert any(line.strip().startswith(f"{run} ") for line in overview(twice))


def test_the_summary_of_good_data(processed: Store) -> None:
    lines = summary_lines(processed)
    assert "Found:" in lines
    for text in ("spots", "indexed", "I 21 3, 36.0", "RMSD", "of 3 runs", "CC1/2 0.99"):
        assert any(text in line for line in lines), text
    # the simulated detector switches its gain and has hot pixels; nothing else is wrong
    found = [s.text for s in suspicions(StepTables(processed))]
    assert [t for t in found if "notch" not in t and "bad pixels" not in t] == []


class Changed(StepTables):
    """The tables of a store with rows changed."""

    def __init__(self, store: Store, step: str, table: str, **values: object) -> None:
        super().__init__(store)
        for row in self.rows(step, table):
            row.update(values)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("step", "table", "values", "expected"),
    [
        ("find_spots", "images", {"n_spots": 0}, "no spots on 14 of 14 images of tiny_1"),
        ("index", "imagesets", {"percent": 31.0}, "few spots are indexed: tiny_1 31 %"),
        ("refine", "crystals", {"a": 36.5, "b": 36.5, "c": 36.5}, "refinement changed the cell by"),
        ("refine", "panels", {"distance_mm": 81.0}, "refined from 80.00 to 81.00 mm (+1.2 %"),
        ("refine", "rmsds", {"rmsd_x_px": 1.4}, "large residuals: tiny_1 1.40 px"),
        ("refine", "rmsds", {"rmsd_z_images": 1.5}, "1.50 images"),
        ("histogram", "runs", {"n_saturated": 7}, "21 pixels of spots are at saturation"),
        ("integrate", "summary", {"n_overloaded": 500}, "many overloaded reflections"),
        ("linearity", "ratios", {"median": 0.5}, "not in proportion to transmission"),
        ("scale", "summary", {"n_excluded": 3000}, "scaling used 450 of 3450 reflections"),
        ("merge", "shells", {"cc_half": 0.46}, "CC1/2 is 0.460 in the lowest shell"),
    ],
)
def test_what_is_suspicious(
    processed: Store, step: str, table: str, values: dict[str, object], expected: str
) -> None:
    found = [s.text for s in suspicions(Changed(processed, step, table, **values))]
    assert any(expected in text for text in found), found


def test_bad_pixels_are_suspicious(processed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [
        {"run": run, "panel": 0, "slow": slow, "fast": 5, "reason": reason}
        for run in ("tiny_1", "tiny_2")  # the same pixels in both
        for slow, reason in enumerate(("hot", "hot", "dead"))
    ]
    tables = StepTables(processed)
    monkeypatch.setattr(
        tables,
        "rows",
        lambda step, table: bad if (step, table) == ("find_spots", "bad_pixels") else [],
    )
    assert "2 hot, 1 dead" in next(s.text for s in suspicions(tables) if "bad pixels" in s.text)


def test_a_centred_cell_after_reindexing_is_no_change(processed: Store) -> None:
    # the primitive cell of I 21 3 with a = 36 A, as an indexing without symmetry gives it
    values = dict.fromkeys("abc", 36.0 * 0.75**0.5)
    values |= dict.fromkeys(("alpha", "beta", "gamma"), 109.471221)
    for a, expected in ((1.0, False), (1.03, True)):
        scaled = {k: v * a if k in "abc" else v for k, v in values.items()}
        tables = Changed(processed, "index", "crystals", space_group="P 1", **scaled)
        texts = [s.text for s in suspicions(tables)]
        assert any("refinement changed the cell" in text for text in texts) == expected


def test_modules_out_of_place_are_named_as_a_cause_of_another_cell(processed: Store) -> None:
    tables = Changed(processed, "refine", "crystals", a=36.5, b=36.5, c=36.5)
    rows = tables.rows
    assert "modules" not in said(tables, "refinement changed the cell by").action
    moved = [{"name": "m1", "moved": True, "size_px": 2.0, "shift_fast_px": 2.0,
              "shift_slow_px": 0.0}]  # fmt: skip
    tables.rows = lambda step, table: (  # type: ignore[method-assign]
        moved if (step, table) == ("refine", "modules") else rows(step, table)
    )
    found = said(tables, "refinement changed the cell by")
    assert "modules were out of place in the header" in found.action


def said(tables: StepTables, text: str) -> Suspicion:
    return next(s for s in suspicions(tables) if text in s.text)


def test_the_notch_is_told_with_the_response_of_the_detector(processed: Store) -> None:
    found = said(StepTables(processed), "notch")
    assert "of 3 runs" in found.text
    assert found.section == "pixels"
    values = {"threshold": 30.0, "factor": 1.02, "offset": 1.0}
    tables = StepTables(processed)
    tables.tables("calibrate_detector")["detector_response"] = Table(
        name="detector_response", title="", rows=[{"run": "tiny_1", **values}]
    )
    found = said(tables, "notch")
    assert "from 30 photons on it records 1.0200 n + 1.00 counts for n photons" in found.text
    assert found.section == "response"


def test_saturated_runs_are_named(processed: Store) -> None:
    tables = StepTables(processed)
    rows = tables.rows("histogram", "runs")
    rows[1].update({"n_saturated": 4, "max": 9999})  # type: ignore[attr-defined]
    assert "4 pixels of spots" in said(tables, "saturation").text
    assert "(tiny_2 4; largest count 9999)" in said(tables, "saturation").text


def test_panels_of_stills_out_of_place(stills_store: Store) -> None:
    tables = StepTables(stills_store)
    for row in tables.rows("index", "stills"):
        row.update({"rmsd_x_px": 0.8, "rmsd_y_px": 0.2})  # type: ignore[attr-defined]
    found = said(tables, "median RMSD")
    assert "0.80 px in x, 0.20 px in y" in found.text
    assert "refine_metrology" in found.action
    um = 1e3 * stills_store.run_experiment(stills_store.runs[0]).detector[0].pixel_size[0]

    def table(name: str, away: float, z: float, other: float) -> Table:
        parts = (("detector", 0.0, z), ("p0", away, 0.0), ("p1", other, 0.0))
        rows = [
            {"level": i and 1, "part": part, "delta_xy_um": xy, "z_um": along}
            for i, (part, xy, along) in enumerate((*parts, ("weighted mean", away, z)))
        ]
        return Table(name=name, title="", rows=rows)

    tables.tables("refine_metrology").update(
        shifts=table("shifts", 1.5 * um, 300.0, 0.5 * um),
        statistics=table("statistics", 0.01 * um, 2.0, 0.2 * um),  # p1: within its error
    )
    found = said(tables, "out of place")
    assert "the whole by +0.30 mm along the beam, p0 by 1.50 px (1 of 2 panels)" in found.text
    assert not [s for s in suspicions(tables) if "median RMSD" in s.text]


def test_hits_that_are_not_indexed(stills_store: Store) -> None:
    tables = StepTables(stills_store)
    rows = tables.rows("index", "stills")
    hits = [row for row in rows if row["hit"]]
    for row in hits:
        row.update({"indexed": False, "reason": "no lattice found"})  # type: ignore[attr-defined]
    assert f"0 of {len(hits)} hits are indexed: {len(hits)} no lattice" in said(tables, "hits").text
    for row in hits:
        row.update({"hit": False})  # type: ignore[attr-defined]
    assert said(tables, f"none of {len(rows)} events is a hit").section == "stills"
    assert said(tables, "the lowest shell is").action == "merge more stills"


def test_modules_that_differ_are_suspicious(processed: Store, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))
    result = store.read_step("refine")
    table = dict(result.reflections)
    moved = table["panel"] == 1
    table["x"] = table["x"] + np.where(moved, 0.3, 0.0).astype(table["x"].dtype)
    changed = dataclasses.replace(result, reflections=table)
    store.write_step("refine", changed, parameters=store.step_attributes("refine")["parameters"])
    found = [s.text for s in suspicions(StepTables(store))]
    assert any("differ between panels by 0.3" in text for text in found), found


def test_a_store_without_steps_has_no_summary(raw: list[Path], tmp_path: Path) -> None:
    import dxdask

    assert summary_lines(dxdask.import_(raw[0], tmp_path / "a.zarr")) == []
    assert list(suspicions(StepTables(Store.open(tmp_path / "a.zarr")))) == []
