"""The commands that process an ensemble, each a thin face of `dxdask.pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dxdask.cli import arguments, output
from dxdask.cli.app import add_step, app, making_store, read_given
from dxdask.cli.help_groups import arrange
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Expert, File, Formats, Json, Output
from dxdask.cli.overview import as_data, overview
from dxdask.cli.summary import summary_lines
from dxdask.pipeline.steps import all_steps

if TYPE_CHECKING:
    from dxdask.pipeline.import_parameters import ImportCommandParameters


ADDED = {"pedestal"}  # also takes files


@app.command("import")
def import_(
    given: Arguments = None,
    out: Output = Path("imported.zarr"),
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
    json: Json = False,
    formats: Formats = False,
) -> None:
    """Read frames (NXmx, CBF, SMV), or results (.expt, .refl, MTZ, XDS), into a store."""
    if formats:
        return _list_formats(json)
    model = "dxdask.pipeline.import_parameters:ImportCommandParameters"
    paths, parameters = read_given(model, given, file)
    if config:
        return output.configuration(parameters, expert)
    return _import(paths, out or Path("imported.zarr"), parameters, json)


def _import(paths: list[str], out: Path, parameters: ImportCommandParameters, json: bool) -> None:
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "import", "files")
    with log_to(out, "import", creates=True, quiet=json, compiles=False, lists_problems=True):
        output.changed_parameters(parameters)
        store = ensemble.import_runs(paths, out, parameters)
        output.lines(overview(store))
        output.lines(output.problems(store, "import"))
    if json:
        output.as_json(as_data(store))


def _list_formats(json: bool) -> None:
    """Print the registered formats, of which a file is read by the first that claims it."""
    from dxdask.storage.formats import formats

    rows = [
        {
            "name": one.name,
            "priority": one.priority,
            "suffixes": list(one.suffixes),
            "description": one.description,
        }
        for one in formats()
    ]
    if json:
        output.as_json({"formats": rows})
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        output.line(f"{row['name']:<{width}}  {row['priority']:>3}  {row['description']}")


@making_store(
    "process", "dxdask.pipeline.process_parameters:process_parameters", Path("processed.zarr")
)
def process(paths: list[str], out: Path, parameters: Any, json: bool) -> None:
    """Take an ensemble of sweeps from raw frames to merged intensities, as one graph."""
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "process", "files")
    with log_to(out, "process", creates=True, quiet=json, lists_problems=True):
        output.changed_parameters(parameters)
        reports = output.Reports(out, parameters.branch)
        store = ensemble.process(paths, out, parameters, reports)
        output.lines(output.problems(store, "import"))
        output.lines(summary_lines(store))
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(as_data(store))


def add_steps() -> None:
    """Add the commands of the steps that are declared and have none yet.

    A command of a step for sweeps and one for stills has the title of that for sweeps.
    """
    for step in sorted(all_steps(), key=lambda s: "sweeps" not in s.kinds):
        for name in (step.name, *step.aliases):
            if name not in ADDED:
                add_step(name, step.title)
                ADDED.add(name)
    arrange(app)
