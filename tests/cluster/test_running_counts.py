"""Running counts of tasks: in this process and from workers."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from dask.delayed import delayed

from dxdask.cluster import running_counts
from dxdask.cluster.client import open_cluster
from dxdask.cluster.parameters import ClusterParameters
from dxdask.cluster.progress import thread_progress
from dxdask.cluster.running_counts import RunningCounts, TaskCounter


def found(n: int) -> int:
    return n


def count(name: str, result: Any) -> Mapping[str, int]:
    return {name: 1, "sum": int(result)}


def text(sums: Mapping[str, int]) -> str:
    return f"{sums['found']} tasks found {sums['sum']}"


COUNTER = TaskCounter(("found",), count, text)


def tasks() -> list[Any]:
    parts = [delayed(found, pure=True)(n) for n in range(5)]
    return [delayed(sum)(parts)]


@pytest.mark.parametrize(
    "kind", ["synchronous", "threads", pytest.param("local", marks=pytest.mark.slow)]
)
def test_log_has_the_sums(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    given: dict[str, Any] = {"kind": kind} | ({"processes": 1} if kind == "local" else {})
    with (
        caplog.at_level(logging.INFO, logger="dxdask"),
        open_cluster(ClusterParameters(**given)) as cluster,
    ):
        assert cluster.compute(tasks(), "looking", COUNTER) == [10]
    lines = [r.getMessage() for r in caplog.records if r.name == "dxdask"]
    assert lines[-1] == "looking: 5 tasks found 10"


def test_no_counts_without_a_counter(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, logger="dxdask"),
        open_cluster(ClusterParameters(kind="threads")) as cluster,
    ):
        cluster.compute(tasks())
    assert not [r for r in caplog.records if r.name == "dxdask"]


def test_a_terminal_shows_them_and_a_pipe_does_not(capfd: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with (
        open_cluster(ClusterParameters(kind="synchronous")) as cluster,
        thread_progress("looking", screen, COUNTER),
    ):
        cluster.compute(tasks())
    assert "5 tasks found 10; " in screen.getvalue()
    assert capfd.readouterr() == ("", "")


def test_a_task_that_is_done_again_counts_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_counts, "LOG_SECONDS", -1.0)
    running = RunningCounts(COUNTER, "looking")
    with caplog.at_level(logging.INFO, logger="dxdask"):
        for key in ("found-1", "found-1", "found-2", "other-1"):
            running.add_result(key, 3)
    assert running.describe("more") == "2 tasks found 6; more"
    assert [r.getMessage() for r in caplog.records] == [
        "looking: 1 tasks found 3",
        "looking: 2 tasks found 6",
    ]
