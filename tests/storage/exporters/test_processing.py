"""History of exported files: steps, versions and parameters."""

from __future__ import annotations

import sys
from pathlib import Path

import gemmi
import numpy as np
import pandas as pd
import pytest
from support.made_up import MadeUp, made_up

from dxdask.errors import InputError
from dxdask.merging import merge
from dxdask.scaling import scale
from dxdask.storage.exporters.csv import to_frame
from dxdask.storage.exporters.mtz import write_merged
from dxdask.storage.exporters.mtz_unmerged import write_unmerged
from dxdask.storage.exporters.parquet import write_parquet
from dxdask.storage.exporters.processing import MOST_LINES, WIDTH, Processing, StepRecord, history
from dxdask.storage.importers import read_runs

STEPS = (
    StepRecord(name="index", created="2026-01-02T03:04:05+00:00", version="1.2"),
    StepRecord(name="merge", version="1.2", parameters=("merging.d_min = 2.0", "a.b = Köln")),
)


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.3, transmissions=(1.0,), d_min=5.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def test_the_newest_step_comes_first_and_isa_with_it() -> None:
    assert history(Processing(steps=STEPS, isa=25.04)) == [
        "From dxdask 1.2",
        "ISa 25.0",
        "merge by dxdask 1.2: merging.d_min = 2.0, a.b = K?ln",
        "index 2026-01-02 03:04 by dxdask 1.2: default parameters",
    ]
    assert history(None) == history(Processing()) == ["From dxdask"]


def test_no_more_lines_than_the_format_has() -> None:
    many = tuple(f"some.long.name.of.a.parameter_{i} = {'x' * (i % 90)}" for i in range(200))
    lines = history(Processing(steps=(*STEPS, StepRecord(name="merge", parameters=many))))
    assert len(lines) == MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    assert lines[-1].startswith("and ")


def test_mtz_files_hold_it(scaled: MadeUp, tmp_path: Path) -> None:
    processing = Processing(steps=STEPS, isa=25.04)
    merged = merge(scaled.reflections, scaled.experiments).reflections
    write_merged(tmp_path / "m.mtz", merged, scaled.experiments, None, processing)
    write_unmerged(tmp_path / "u.mtz", scaled.reflections, scaled.experiments, processing)
    for name in ("m.mtz", "u.mtz"):
        mtz = gemmi.read_mtz_file(str(tmp_path / name))
        assert [line.rstrip() for line in mtz.history] == history(processing)


def test_parquet_reads_back_as_it_was(scaled: MadeUp, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    table = merge(scaled.reflections, scaled.experiments).reflections
    write_parquet(tmp_path / "a.parquet", table, Processing(steps=STEPS))
    frame = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(frame, to_frame(table))
    assert frame.attrs["dxdask"] == [str(step) for step in STEPS]


def test_without_pyarrow_parquet_says_what_to_install(
    scaled: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'dxdask\[parquet\]'"):
        write_parquet(tmp_path / "a.parquet", {"d": np.ones(3)})
    assert list(tmp_path.iterdir()) == []


def test_the_program_is_known_when_the_file_is_read(scaled: MadeUp, tmp_path: Path) -> None:
    write_unmerged(
        tmp_path / "u.mtz", scaled.reflections, scaled.experiments, Processing(steps=STEPS)
    )
    [run] = read_runs([tmp_path / "u.mtz"])
    assert run.experiment.scan is not None
    assert run.experiment.scan.image_range == (1, 180)
