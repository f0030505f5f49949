"""Representations of stores, results, models and tables: short for any number of runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.store_examples import experiments, frames, new_store, result, write_run

from dxdask.tables import SHOWN, Table, html_table, shortened


def test_a_store_of_many_runs_and_steps_is_short(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for i in range(25):
        write_run(store, f"run{i}", frames(2))
    for step in ("find_spots", "index", "refine", "scale", "merge", "hits", "histogram"):
        store.write_step(step, result())
    store.on_branch("tight").write_step("index", result())
    text = repr(store)
    assert len(text.splitlines()) <= 12
    assert "branch main (branches: main, tight)" in text
    assert "runs: 25 (run0, run1, run2, run3, run4 and 20 more)" in text
    assert "50 images of 5 x 7, uint16" in text
    assert "index: 40 reflections, 2 experiments" in text
    assert "and histogram, hits" in text
    page = store._repr_html_()
    assert page.count("<td>run") == SHOWN
    assert "and 5 more" in page


def test_results_and_experiments_are_short() -> None:
    many = experiments(*(f"r{i}" for i in range(300)))
    assert len(repr(many)) < 200
    assert "300 experiments of 300 runs (r0, r1, r2, r3, r4 and 295 more); 300 beams" in repr(many)
    assert many._repr_html_().count("<tr>") == SHOWN + 2
    assert "and 280 more" in many._repr_html_()
    one = many[7]
    assert repr(one) == (
        "<Experiment run r7, images 1 to 6, wavelength 0.9795, panels 1, space group I 21 3, "
        "cell 78 78 78 90 90 90>"
    )
    assert "I 21 3" in one._repr_html_()
    text = repr(result())
    assert len(text.splitlines()) == 6
    assert "StepResult: 40 reflections" in text
    assert "offsets (3,), profile (3, 4, 5)" in text
    assert "<pre>StepResult" in result()._repr_html_()
    assert "% indexed" not in repr(result().tables[0])


def test_tables_are_short_and_escaped() -> None:
    rows = [{"run": "<b>", "n": np.int64(i), "x": None} for i in range(50)]
    table = Table(name="t", title="A & B", rows=rows)
    assert repr(table) == "<Table t: 50 rows of run, n, x>"
    page = table._repr_html_()
    assert "A &amp; B" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert f"and {50 - SHOWN} more" in page
    assert html_table("none", []) == "<p>none: none</p>"
    assert shortened([]) == "none"
    assert shortened("abcdef") == "a, b, c, d, e, f"
    assert shortened("abcdefg") == "a, b, c, d, e and 2 more"
