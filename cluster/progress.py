"""Progress of a computation: a bar where stderr is a terminal; in the record of the job always."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from dask.callbacks import Callback
from dask.utils import key_split

from dxdask.cluster.job_record import report
from dxdask.cluster.running_counts import RunningCounts, TaskCounter
from dxdask.cluster.terminal_line import TerminalLine, terminal

Counts = Mapping[str, Any]
BAR = 24
"""Characters of a full bar."""


@contextmanager
def bar(label: str, stream: TextIO | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Yield `show(done, total, doing)`, which draws a bar and updates the job's record.

    stream : the terminal; None: stderr, if it is one.
    """
    where = stream or terminal()
    if where is None:
        yield lambda done, total, doing: report(label, done, total, doing)
        return
    begun, state = time.monotonic(), (0, 0, "")

    def text() -> str:
        done, total, doing = state
        full = min(BAR, BAR * done // total) if total else 0
        seconds = int(time.monotonic() - begun)
        counts = f"{done}/{total} {seconds // 60}:{seconds % 60:02d}"
        return f"{label} [{'#' * full}{'.' * (BAR - full)}] {counts} {doing}"

    with TerminalLine(where, text) as line:

        def show(done: int, total: int, doing: str) -> None:
            nonlocal state
            state = done, total, doing
            report(label, done, total, doing)
            line.draw_if_due()

        yield show


@contextmanager
def thread_progress(
    label: str, stream: TextIO | None = None, counter: TaskCounter | None = None
) -> Iterator[None]:
    """Show the progress and the running counts of what this process computes in the context."""
    running = RunningCounts(counter, label)
    with bar(label, stream) as show:
        done = total = 0

        def begin(_: Any, state: Mapping[str, Any]) -> None:
            nonlocal total
            total += len(state["waiting"]) + len(state["ready"])

        def before(key: Any, *_: Any) -> None:
            show(done, total, running.describe(key_split(key)))

        def after(key: Any, result: Any, *_: Any) -> None:
            nonlocal done
            done += 1
            running.add_result(key, result)
            show(done, total, running.describe(key_split(key)))

        with Callback(start_state=begin, pretask=before, posttask=after):  # type: ignore[no-untyped-call]
            yield
        running.close()


@contextmanager
def client_progress(
    label: str, before: Counts, stream: TextIO | None = None, running: RunningCounts | None = None
) -> Iterator[Callable[[Counts], None]]:
    """Yield `show(counts)`, which draws the progress that `scheduler_counts` reports.

    before : the same counts before the computation, subtracted.
    running : running counts of the tasks, which `forward_counts` adds to.
    """
    running = running or RunningCounts(None, label)
    with bar(label, stream) as draw:

        def show(counts: Counts) -> None:
            doing = ", ".join(counts["doing"]) if counts["workers"] else "waiting for workers"
            done, total = counts["done"] - before["done"], counts["total"] - before["total"]
            draw(done, total, running.describe(doing))

        yield show
        running.close()


def scheduler_counts(dask_scheduler: Any = None) -> dict[str, Any]:
    """Return numbers of tasks (done, total) and workers, and names of tasks that run.

    Runs on the scheduler.
    """
    finished = {"memory", "released", "forgotten", "erred"}
    done = total = 0
    doing = []
    for prefix in dask_scheduler.task_prefixes.values():
        states = prefix.states
        done += sum(n for state, n in states.items() if state in finished)
        total += sum(states.values())
        if states.get("processing"):
            doing.append(prefix.name)
    return {"done": done, "total": total, "doing": doing, "workers": len(dask_scheduler.workers)}
