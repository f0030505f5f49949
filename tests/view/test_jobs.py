"""The progress of running jobs, and the end of their log."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.viewer import Viewing

from dxdask.cluster.job_record import recorded, report
from dxdask.storage.store.store import Store
from dxdask.view.jobs import LOG_BYTES, log_end, progress_of


def test_without_a_job(viewer: Viewing, processed: Store) -> None:
    got = viewer.ask("progress").json
    assert got["jobs"] == []
    assert got["runs"] == len(processed.runs)
    assert got["steps"]["merge"] == processed.step_attributes("merge")["id"]


def test_a_running_job(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "busy.zarr")
    log = tmp_path / "elsewhere.log"
    log.write_text("one\ntwo\n")
    with recorded(store.path, "index", log):
        report("index", 5, 20, "fft3d")
        for _ in range(50):
            got = progress_of(store.path, "main")
            if got["jobs"][0]["total"]:
                break
            time.sleep(0.1)
    (job,) = got["jobs"]
    assert (job["command"], job["done"], job["total"]) == ("index", 5, 20)
    assert job["left"] == pytest.approx(15 / job["rate"])
    assert "fft3d" in job["text"]
    assert got["log"] == ["one", "two"]
    assert (got["runs"], got["steps"]) == (0, {})


def test_only_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    lines = [f"line {i} of the log" for i in range(5000)]
    log.write_text("\n".join(lines) + "\n")
    found = log_end(log)
    assert found == lines[-len(found) :]
    assert LOG_BYTES * 0.9 < sum(len(line) + 1 for line in found) <= LOG_BYTES
    assert log_end(tmp_path / "no.log") == []
