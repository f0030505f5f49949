"""The commands that process an ensemble, each a thin face of `dxdask.pipeline`.

A command imports what it runs when it runs: `dxdask --help` and `dxdask show` need no numba.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from dxdask.cli import arguments, output
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Expert, File, Json, Output
from dxdask.pipeline.catalogue import STEPS

app = typer.Typer(
    name="dxdask",
    help="X-ray diffraction frames to merged intensities, on Dask and zarr.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("import")
def import_(
    given: Arguments = None,
    out: Output = Path("imported.zarr"),
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
) -> None:
    """Read frames (NXmx, CBF, SMV; files, folders, templates) into a store."""
    from dxdask.pipeline.import_parameters import ImportCommandParameters

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(ImportCommandParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "import", "files")
    with log_to(out, "import", creates=True):
        output.changed_parameters(parameters)
        store = ensemble.import_runs(paths, out, parameters)
        output.line(repr(store))
        output.problems(store, "import")
    return None


@app.command()
def process(
    given: Arguments = None,
    out: Output = Path("processed.zarr"),
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
    json: Json = False,
) -> None:
    """Take an ensemble of sweeps from raw frames to merged intensities, as one graph."""
    from dxdask.pipeline.import_parameters import ProcessParameters

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(ProcessParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "process", "files")
    with log_to(out, "process", creates=True, quiet=json):
        output.changed_parameters(parameters)
        store = ensemble.process(paths, out, parameters, output.finished)
        output.problems(store, "import")
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(store.show())
    return None


def _step_command(name: str) -> Callable[..., None]:
    groups = (*STEPS[name].groups, "cluster", "force")

    def command(
        given: Arguments = None,
        config: Config = False,
        expert: Expert = 0,
        file: File = None,
        json: Json = False,
    ) -> None:
        from dxdask.pipeline.parameters import StepParameters

        paths, texts = arguments.split(given or [])
        parameters = arguments.read_parameters(StepParameters, file, texts, groups)
        if config:
            return output.configuration(parameters, expert, groups)
        from dxdask.pipeline.step import run_step

        path = arguments.one_store(paths, name)
        with log_to(Path(path), name, quiet=json):
            output.changed_parameters(parameters)
            store = run_step(path, name, parameters, output.finished)
        if json:
            output.as_json(store.show(name))
        return None

    return command


for _step in STEPS.values():
    app.command(_step.name, help=_step.title)(_step_command(_step.name))
