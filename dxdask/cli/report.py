"""`dxdask report`: one page on everything in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, at_home
from dxdask.parameters import Parameters, parameter

Page = Annotated[Path, typer.Option("-o", "--output", help="the page to write", callback=at_home)]


class ReportParameters(Parameters):
    """Parameters of `dxdask report`."""

    branch: str = parameter("main", "Branch of the store.")


@app.command()
def report(given: Arguments = None, out: Page = Path("report.html")) -> None:
    """Write a page on everything in a store, which needs no network: dxdask report STORE."""
    from dxdask.report.page.make import report as write

    paths, texts = arguments.split(given or [])
    branch = arguments.read_parameters(ReportParameters, None, texts).branch
    written = write(arguments.one_store(paths, "report"), out, branch=branch)
    output.line(f"wrote {written}, {written.stat().st_size / 1e6:.2f} MB")
