"""`dxdask show`: what is in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.layout import brief_table
from dxdask.cli.options import Arguments, Json
from dxdask.cli.overview import as_data, overview
from dxdask.cli.problems import problem_lines
from dxdask.cli.summary import summary_lines
from dxdask.errors import ParameterError, StoreNotFoundError
from dxdask.parameters import Parameters, parameter
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


@app.command()
def show(given: Arguments = None, json: Json = False) -> None:
    """Show what is in a store: its runs and steps, or every table of the STEPs named."""
    from dxdask.storage.store.store import Store

    paths, texts = arguments.split(given or [])
    arguments.need(paths, "show", "a store")
    unknown = [text for text in texts if not text.startswith("branch=")]
    if unknown:
        raise ParameterError(
            f"dxdask show takes a store and steps, and branch=NAME, not {unknown[0]!r}"
        )
    branch = arguments.read_parameters(ShowParameters, None, texts).branch
    path = arguments.one_store(paths[:1], "show")
    store, steps = Store.open(path, mode="r", branch=branch), paths[1:]
    for name in steps:
        if not store.has_step(name):
            there = ", ".join(store.show()["steps"]) or "none"
            raise StoreNotFoundError(
                f"{store.path} holds no result of {name}; its steps are: {there}"
            )
    if json:
        return output.as_json(as_data(store, *steps))
    for name in steps:
        output.lines(output.whole_report(store, name))
    if not steps:
        output.lines([*overview(store), "", *_steps(store), *summary_lines(store)])
    problems = [p for p in store.show()["problems"] if not steps or p["step"] in steps]
    output.lines(problem_lines(problems, "", None))
    return None


class ShowParameters(Parameters):
    """Parameters of `dxdask show`."""

    branch: str = parameter("main", "Branch of the store.")


def _steps(store: Store) -> list[str]:
    """Return lines on the steps, on those that are stale, and the commands that renew them."""
    from dxdask.pipeline.staleness import renewing_commands, stale_steps
    from dxdask.storage.store.report import step_rows, steps

    stale = stale_steps(store)
    rows = step_rows(steps(store.path, store.branch))
    if not rows:
        return [f"steps: none; begin with: dxdask find_spots {store.path}"]
    rows.sort(key=lambda row: row["at"])
    branched = any(row["branch"] != "main" for row in rows)
    shown = [
        {
            "step": row["step"],
            **({"branch": row["branch"]} if branched else {}),
            "reflections": row["reflections"],
            "seconds": row["seconds"],
            "at": row["at"],
            "state": "stale" if row["step"] in stale else "complete",
        }
        for row in rows
    ]
    lines, _ = brief_table(Table(name="", title="Steps", rows=shown))
    lines += [f"  stale: {name} ({reason})" for name, reason in stale.items()]
    if stale:
        lines.append(f"  renew: {' && '.join(renewing_commands(store, list(stale), stale))}")
    return [*lines, f"  tables of a step: dxdask show {store.path} STEP"]
