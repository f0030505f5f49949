"""Progress of a computation: a bar in a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dask.callbacks import Callback
from dask.utils import key_split
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dxdask.cluster.tally import Tallied, Tally

Counts = Mapping[str, Any]


@contextmanager
def bar(label: str, console: Console | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Give `show(done, total, doing)`, which draws a bar where stderr is a terminal."""
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
    label: str, console: Console | None = None, tally: Tally | None = None
) -> Iterator[None]:
    """Show the progress of what this process computes inside the context, and what it finds."""
    tallied = Tallied(tally, label)
    with bar(label, console) as show:
        done = total = 0

        def begin(_: Any, state: Mapping[str, Any]) -> None:
            nonlocal total
            total += len(state["waiting"]) + len(state["ready"])

        def before(key: Any, *_: Any) -> None:
            show(done, total, tallied.before(key_split(key)))

        def after(key: Any, result: Any, *_: Any) -> None:
            nonlocal done
            done += 1
            tallied.result(key, result)
            show(done, total, tallied.before(key_split(key)))

        with Callback(start_state=begin, pretask=before, posttask=after):  # type: ignore[no-untyped-call]
            yield
        tallied.close()


@contextmanager
def client_progress(
    label: str, before: Counts, console: Console | None = None, tallied: Tallied | None = None
) -> Iterator[Callable[[Counts], None]]:
    """Give `show(counts)` for what `scheduler_counts` tells, and told before the computation.

    tallied : what the tasks have found, which others add to.
    """
    tallied = tallied or Tallied(None, label)
    with bar(label, console) as draw:

        def show(counts: Counts) -> None:
            doing = ", ".join(counts["doing"]) if counts["workers"] else "waiting for workers"
            done, total = counts["done"] - before["done"], counts["total"] - before["total"]
            draw(done, total, tallied.before(doing))

        yield show
        tallied.close()


def scheduler_counts(dask_scheduler: Any = None) -> dict[str, Any]:
    """Return tasks done and in all, names of those running, and workers; runs on the scheduler."""
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
