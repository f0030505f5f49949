"""Output of a command: tables as text or as JSON, and the parameters that are not at default."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dxdask.parameters import Parameters
from dxdask.parameters.entries import changed, describe
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")
_state = {"muted": False}
MOST_PROBLEMS = 10
"""Rows of problems that are printed as a step ends; `dxdask show` prints all."""
MOST_ROWS = 200
"""The same of another table: those with a row an event have as many as there are events."""


@contextmanager
def muted(quiet: bool) -> Iterator[None]:
    """Print nothing inside, if `quiet`; the log file gets it all the same."""
    before = _state["muted"]
    _state["muted"] = quiet
    try:
        yield
    finally:
        _state["muted"] = before


def line(text: str = "") -> None:
    """Print one line, also into the log file."""
    log.info("%s", text)
    if not _state["muted"]:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def configuration(
    parameters: Parameters, expert_level: int, groups: Collection[str] | None = None
) -> None:
    """Print every parameter with its help."""
    line(describe(parameters, expert_level=expert_level, groups=groups))


def changed_parameters(parameters: Parameters) -> None:
    """Print the parameters that the user has set, as DIALS does."""
    names = changed(parameters)
    if names:
        line("The following parameters have been modified:\n")
        for name in names:
            line(f"  {name}")
        line()


def wrote(file: str) -> None:
    """Print the name of a file that was written."""
    line(f"wrote {file}")


def finished(store: Store, name: str) -> None:
    """Print the messages and tables of a step that has just run, and its problems."""
    step(store, name, most_rows=MOST_ROWS)
    problems(store, name)


def step(store: Store, name: str, *, most_rows: int | None = None) -> None:
    """Print the report of a step in the store: its messages, its tables, the time that it took.

    most_rows : of a table, of which the others are counted; None: all.
    """
    seconds = store.step_attributes(name).get("seconds", {}).get("wall")
    took = f" ({seconds:.1f} s)" if seconds is not None else ""
    line(f"\n{'-' * 80}\n{name}{took}")
    for message in store.messages(name):
        line(message)
    for table in store.tables(name):
        if table.printed:
            line()
            line(str(replace(table, rows=table.rows[:most_rows])))
            if most_rows is not None and len(table.rows) > most_rows:
                line(f"and {len(table.rows) - most_rows} more: dxdask show {store.path} {name}")


def problems(store: Store, name: str) -> None:
    """Print the problems of a step, or of `import`: the first rows, and the number of more."""
    if name == "import":
        rows = [row for run in store.runs for row in store.run_attributes(run).get("problems", ())]
    else:
        rows = store.show(name)["problems"]
    if rows:
        line()
        line(str(Table(name="problems", title="Problems", rows=rows[:MOST_PROBLEMS])))
    if len(rows) > MOST_PROBLEMS:
        line(f"and {len(rows) - MOST_PROBLEMS} more: dxdask show {store.path}")


def as_json(values: Mapping[str, Any]) -> None:
    """Print values as JSON."""
    sys.stdout.write(json.dumps(values, indent=1) + "\n")
