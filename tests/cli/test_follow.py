"""`dxdask follow`, and the record of a running job."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.ensemble_example import dxdask as command

from dxdask.cli.follow import follow_job
from dxdask.cli.logs import log_to
from dxdask.cluster.job_record import Job, recorded, report, running_jobs
from dxdask.cluster.progress import bar


def test_a_job_is_recorded_while_it_runs(tmp_path: Path) -> None:
    store, log = tmp_path / "a.zarr", tmp_path / "a.log"
    assert running_jobs(store) == []
    with recorded(store, "process", log):
        (job,) = running_jobs(store)
        assert (job.command, job.pid, job.log) == ("process", os.getpid(), str(log))
        assert running_jobs(tmp_path / "other.zarr") == []
        with bar("process") as show:
            show(3, 12, "find_spots")
            for _ in range(100):
                (job,) = running_jobs(store)
                if job.total:
                    break
                time.sleep(0.1)
        assert (job.label, job.done, job.total, job.doing) == ("process", 3, 12, "find_spots")
    assert running_jobs(store) == []
    assert list(tmp_path.iterdir()) == []
    report("process", 1, 2, "")  # without a record nothing happens


def test_time_left_and_rate() -> None:
    job = Job(
        command="process", host="h", pid=1, log="l", started=0.0, label="process", begun=100.0,
        done=10, total=40, doing="index",
    )  # fmt: skip
    assert job.rate(120.0) == pytest.approx(0.5)
    assert job.left(120.0) == pytest.approx(60.0)
    assert job.text(120.0) == "process 10/40 0:20, about 1:00 left index"
    early = Job(command="import", host="h", pid=1, log="l", started=0.0)
    assert (early.rate(5.0), early.left(5.0), early.text(3725.0)) == (None, None, "import 1:02:05")


def record_of(store: Path, **changes: object) -> Path:
    """Write the record of a job that this process does not keep."""
    values = {"command": "scale", "host": "elsewhere", "pid": 1, "log": "x", "started": 1.0}
    path = store.with_name(f"{store.stem}.elsewhere-{time.time_ns()}.progress")
    path.write_text(json.dumps(values | changes))
    return path


def test_jobs_that_were_killed_are_not_running(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    elsewhere = record_of(store)
    assert [j.command for j in running_jobs(store)] == ["scale"]
    os.utime(elsewhere, (1.0, 1.0))  # it is not renewed any more
    assert running_jobs(store) == []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = record_of(store, host=socket.gethostname(), pid=ended.pid)
    assert running_jobs(store) == []
    here.with_suffix(".log").write_text("kept")
    with recorded(store, "merge", tmp_path / "a.log"):
        assert [j.command for j in running_jobs(store)] == ["merge"]
    assert not here.exists()
    assert not elsewhere.exists()


def test_a_damaged_record_is_no_job(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pid": 1}', '{"nosuch": 2}'):
        record_of(tmp_path / "a.zarr").write_text(text)
    assert running_jobs(tmp_path / "a.zarr") == []


def test_follow_prints_the_log_of_the_job_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, log = tmp_path / "a.zarr", tmp_path / "a.log"
    log.write_text("2026-01-01 INFO dxdask 1.0 import\n2026-01-01 INFO of before\n")
    code = (
        "import time, logging; from pathlib import Path; from dxdask.cli.logs import log_to\n"
        f"with log_to(Path({str(store)!r}), 'index', creates=True, compiles=False):\n"
        "    log = logging.getLogger('dxdask')\n"
        "    for i in range(8): log.info('line %d of it, 2 Å', i); time.sleep(0.25)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    for _ in range(600):
        if jobs := running_jobs(store):
            break
        time.sleep(0.1)
    follow_job(store, jobs[-1])
    assert child.wait() == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.search(r"INFO dxdask \S+ index$", printed[0])
    assert [line.split("INFO ")[1] for line in printed[2:]] == [
        f"line {i} of it, 2 Å" for i in range(8)
    ]


def test_without_a_job_it_says_so(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    found = command("follow", store)
    assert found.returncode == 1
    assert f"no job is running on {store}" in found.stderr
    (tmp_path / "a.log").write_text("")
    assert str(tmp_path / "a.log") in command("follow", store).stderr
    assert command("follow").returncode == 2


def test_a_log_that_cannot_be_read_here(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    record_of(store, log=str(tmp_path / "nosuch.log"))
    found = command("follow", store)
    assert found.returncode == 1
    assert "scale runs on elsewhere" in found.stderr


def test_a_command_that_leaves_no_log_leaves_no_record(tmp_path: Path) -> None:
    with log_to(tmp_path / "no.zarr", "index", quiet=True, compiles=False):
        assert running_jobs(tmp_path / "no.zarr") == []
    assert list(tmp_path.iterdir()) == []
