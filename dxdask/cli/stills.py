"""The commands on stills: `stills_process`, `pedestal`, and single steps of what is in a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.commands import app
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Expert, File, Json
from dxdask.pipeline.stills.catalogue import COMMANDS, groups_of

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
    from dxdask.pipeline.stills.parameters import StillsProcessParameters

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(StillsProcessParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    from dxdask.pipeline.stills.process import stills_process as run

    arguments.need(paths or parameters.template, "stills_process", "files, or a store")
    where = out or (Path(paths[0]) if len(paths) == 1 and paths[0].endswith(".zarr") else None)
    where = where or Path("stills.zarr")
    with log_to(where, "stills_process", creates=True, quiet=json):
        output.changed_parameters(parameters)
        store = run(paths, where, parameters, output.finished)
        output.problems(store, "import")
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(store.show())
    return None


@app.command("pedestal")
def pedestal(
    given: Arguments = None,
    out: OptionalOutput = None,
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
    json: Json = False,
) -> None:
    """Reduce a dark run to pedestal, noise and bad pixels, in a store for calibration.dark_path."""
    from dxdask.pipeline.pedestal import PedestalParameters
    from dxdask.pipeline.pedestal import pedestal as run

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(PedestalParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    arguments.need(paths, "pedestal", "the file of a dark run, or its store")
    with log_to(out or Path(paths[0]), "pedestal", creates=out is not None, quiet=json):
        output.changed_parameters(parameters)
        store = run(paths, out, parameters, output.finished)
        output.problems(store, "import")
    if json:
        output.as_json(store.show("pedestal"))
    return None


def _step_command(name: str) -> Callable[..., None]:
    groups = groups_of(name)

    def command(
        given: Arguments = None,
        config: Config = False,
        expert: Expert = 0,
        file: File = None,
        json: Json = False,
    ) -> None:
        from dxdask.pipeline.stills.parameters import StillsStepParameters

        paths, texts = arguments.split(given or [])
        parameters = arguments.read_parameters(StillsStepParameters, file, texts, groups)
        if config:
            return output.configuration(parameters, expert, groups)
        from dxdask.pipeline.stills.step import run_stills_step

        path = arguments.one_store(paths, name)
        with log_to(Path(path), name, quiet=json):
            output.changed_parameters(parameters)
            store = run_stills_step(path, name, parameters, output.finished)
        if json:
            output.as_json(store.show(COMMANDS[name].name))
        return None

    return command


for _name, _title in (
    ("hits", "Tell which events of a store show a crystal, by the spots found on them."),
    ("postrefine", "Post-refine and merge the integrated stills of a store."),
):
    app.command(_name, help=_title)(_step_command(_name))
