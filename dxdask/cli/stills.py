"""`dxdask stills_process`: raw events to merged intensities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.commands import app
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Expert, File, Json

OptionalOutput = Annotated[
    Path | None, typer.Option("-o", "--output", help="the store to make, NAME.zarr")
]


@app.command("stills_process")
def stills_process(
    given: Arguments = None,
    out: OptionalOutput = None,
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
    json: Json = False,
) -> None:
    """Take stills of files, or those of a store, from raw events to merged intensities."""
    from dxdask.pipeline.stills_parameters import StillsProcessParameters

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(StillsProcessParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    from dxdask.pipeline.stills import stills_process as run

    arguments.need(paths or parameters.template, "stills_process", "files, or a store")
    where = out or (Path(paths[0]) if len(paths) == 1 and paths[0].endswith(".zarr") else None)
    where = where or Path("stills.zarr")
    with log_to(where, "stills_process", creates=True, quiet=json):
        output.changed_parameters(parameters)
        store = run(paths, where, parameters, output.step)
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(store.show())
    return None
