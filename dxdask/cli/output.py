"""Output of a command: tables as text or as JSON, and the parameters that are not at default."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dxdask.cli.brief import LINES, brief
from dxdask.cli.layout import WIDTH, whole_table
from dxdask.cli.problems import MOST_PROBLEMS, problem_lines
from dxdask.cluster.terminal_line import above_it
from dxdask.errors import DxdaskError
from dxdask.parameters import Parameters
from dxdask.parameters.entries import changed, describe
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")
_state = {"muted": False}
FOUND = "nothing to do: in the store with the same inputs and parameters"


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
    on_terminal(text)


def on_terminal(text: str = "") -> None:
    """Print one line, but not into the log file."""
    if not _state["muted"]:
        with above_it():
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


def lines(texts: Iterable[str]) -> None:
    """Print lines, also into the log file."""
    for text in texts:
        line(text)


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


class Reports:
    """Prints of each step that is complete the lines of most use; its whole report is logged.

    store : path of the store as it is before the command, with its branch: a step that is as it was
    then has not been computed again.
    """

    def __init__(self, store: Path, branch: str = "main") -> None:
        self._before = _versions(store, branch)
        self._found: list[str] = []

    def __call__(self, store: Store, name: str) -> None:
        """Print a step of the store."""
        found = store.step_attributes(name)["id"] == self._before.get(name)
        if found:
            line(f"{name}: {FOUND}")
            return
        for text in [*whole_report(store, name, str), *problems(store, name, None)]:
            log.info("%s", text)
        heading, problem_lines = _heading(store, name), problems(store, name)
        room = LINES - len(heading) - min(len(problem_lines), MOST_PROBLEMS) - 1
        lines, complete = brief(store.messages(name), store.tables(name), store.runs, room)
        if not complete:
            lines.append(f"the rest: dxdask show {_given(store)} {name}")
        for text in [*heading, *lines, *problem_lines]:
            on_terminal(text)


def whole_report(
    store: Store, name: str, as_text: Callable[[Table], str] = whole_table
) -> list[str]:
    """Return all lines of the report of a step: its messages, its tables, the time that it took."""
    lines = [*_heading(store, name), *store.messages(name)]
    for table in store.tables(name):
        if table.printed:
            lines += ["", as_text(table)]
    return lines


def _heading(store: Store, name: str) -> list[str]:
    seconds = store.step_attributes(name).get("seconds", {}).get("wall")
    took = f" ({seconds:.1f} s)" if seconds is not None else ""
    return ["", "-" * WIDTH, f"{name}{took}"]


def _given(store: Store) -> str:
    """Return the store as it may be given to a command in this folder."""
    path = os.path.relpath(store.path) if store.path.is_relative_to(Path.cwd()) else store.path
    return shlex.quote(str(path)) + ("" if store.branch == "main" else f" branch={store.branch}")


def _versions(path: Path, branch: str) -> dict[str, str]:
    """Return the identifier of each step in a store; none where there is no store."""
    from dxdask.storage.store.store import Store

    try:
        store = Store.open(path, mode="r", branch=branch)
        return {n: store.step_attributes(n)["id"] for n in store.show()["steps"]}
    except (DxdaskError, OSError):
        return {}  # the command itself says what is wrong with it


def problems(store: Store, name: str, most: int | None = MOST_PROBLEMS) -> list[str]:
    """Return lines on the problems of a step, or of `import`; images of the same reason together.

    most : of the lines, the others are counted; None: all.
    """
    if name == "import":
        rows = [row for run in store.runs for row in store.run_attributes(run).get("problems", ())]
    else:
        rows = store.show(name)["problems"]
    return problem_lines(rows, f"dxdask show {_given(store)}", most)


def as_json(values: Mapping[str, Any]) -> None:
    """Print values as JSON."""
    sys.stdout.write(json.dumps(values, indent=1) + "\n")
