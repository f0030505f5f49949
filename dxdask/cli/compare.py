"""`dxdask compare`: two branches, stores or runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.layout import brief_table, whole_table
from dxdask.cli.options import Arguments, Json, at_home
from dxdask.errors import ParameterError
from dxdask.parameters import Parameters, parameter

Page = Annotated[
    Path | None, typer.Option("-o", "--output", help="also write a page", callback=at_home)
]


class CompareParameters(Parameters):
    """Parameters of `dxdask compare`."""

    branches: tuple[str, str] | None = parameter(None, "Branches of the two sides.")
    runs: tuple[str, str] | None = parameter(None, "Runs of the two sides. None: all runs.")


@app.command()
def compare(given: Arguments = None, out: Page = None, json: Json = False) -> None:
    """Compare two stores, or two branches or runs of one (STORE A B)."""
    from dxdask.report.comparison.compare import compare as run

    paths, texts = arguments.split(given or [])
    if not 1 <= len(paths) <= 3:
        raise ParameterError(
            "dxdask compare takes two stores, or one and two of its branches or runs"
        )
    if len(paths) == 3:
        texts += _sides(*paths)
        paths = paths[:1]
    parameters = arguments.read_parameters(CompareParameters, None, texts)
    found = run(paths[0], *paths[1:], branches=parameters.branches, runs=parameters.runs)
    if json:
        output.as_json(found.to_dict())
    else:
        output.lines(found.lines)
        for table in found.tables:
            lines, complete = brief_table(table)
            output.lines(["", *(lines if complete else [whole_table(table)])])
    if out is not None:
        written = found.write(out)
        if not json:
            output.line(f"wrote {written}")


def _sides(store: str, *names: str) -> Sequence[str]:
    """Return the parameter that compares these two branches, or runs, of a store."""
    from dxdask.storage.store.store import Store

    opened = Store.open(store, mode="r")
    kinds = {"branches": opened.branches, "runs": tuple(opened.runs)}
    for kind, there in kinds.items():
        if set(names) <= set(there):
            return [f"{kind}={','.join(names)}"]
    has = "; ".join(f"{kind} {', '.join(there)}" for kind, there in kinds.items())
    raise ParameterError(
        f"{' and '.join(names)} are not two branches or runs of {store}: it has {has}"
    )
