"""Progress of a computation: a bar in a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dask.callbacks import Callback
from dask.utils import key_split
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dxdask.cluster.running_counts import RunningCounts, TaskCounter

Counts = Mapping[str, Any]


@contextmanager
def bar(label: str, console: Console | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Yield `show(done, total, doing)`, which draws a bar where stderr is a terminal."""
    where = console or Console(stderr=True)
    if not where.is_terminal:
        yield lambda done, total, doing: None
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}"),
    )
    with Progress(*columns, console=where, transient=True) as progress:
        task = progress.add_task(label, total=None, doing="")

        def show(done: int, total: int, doing: str) -> None:
            progress.update(task, completed=done, total=total or None, doing=doing)

        yield show


@contextmanager
def thread_progress(
    label: str, console: Console | None = None, counter: TaskCounter | None = None
) -> Iterator[None]:
    """Show the progress and the running counts of what this process computes in the context."""
    running = RunningCounts(counter, label)
    with bar(label, console) as show:
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
    label: str, before: Counts, console: Console | None = None, running: RunningCounts | None = None
) -> Iterator[Callable[[Counts], None]]:
    """Yield `show(counts)`, which draws the progress that `scheduler_counts` reports.

    before : the same counts before the computation, subtracted.
    running : running counts of the tasks, which `forward_counts` adds to.
    """
    running = running or RunningCounts(None, label)
    with bar(label, console) as draw:

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
