"""The commands that process an ensemble, each a thin face of `dxdask.pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dxdask.cli import arguments, output
from dxdask.cli.app import add_step, making_store
from dxdask.cli.logs import log_to
from dxdask.cli.overview import as_data, overview
from dxdask.cli.summary import summary_lines
from dxdask.pipeline.steps import all_steps

if TYPE_CHECKING:
    from dxdask.pipeline.import_parameters import ImportCommandParameters


ADDED = {"pedestal"}  # also takes files


@making_store(
    "import", "dxdask.pipeline.import_parameters:ImportCommandParameters", Path("imported.zarr")
)
def import_(paths: list[str], out: Path, parameters: ImportCommandParameters, json: bool) -> None:
    """Read frames (NXmx, CBF, SMV), or results (.expt, .refl, MTZ, XDS), into a store."""
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "import", "files")
    with log_to(out, "import", creates=True, quiet=json, compiles=False):
        output.changed_parameters(parameters)
        store = ensemble.import_runs(paths, out, parameters)
        output.lines(overview(store))
        output.lines(output.problems(store, "import"))
    if json:
        output.as_json(as_data(store))


@making_store(
    "process", "dxdask.pipeline.import_parameters:process_parameters", Path("processed.zarr")
)
def process(paths: list[str], out: Path, parameters: Any, json: bool) -> None:
    """Take an ensemble of sweeps from raw frames to merged intensities, as one graph."""
    from dxdask.pipeline import ensemble

    arguments.need(paths or parameters.template, "process", "files")
    with log_to(out, "process", creates=True, quiet=json):
        output.changed_parameters(parameters)
        reports = output.Reports(out, parameters.branch)
        store = ensemble.process(paths, out, parameters, reports)
        output.lines(output.problems(store, "import"))
        output.lines(summary_lines(store))
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(as_data(store))


def add_steps() -> None:
    """Add the commands of the steps that are declared and have none yet."""
    for step in all_steps():
        for name in (step.name, *step.aliases):
            if name not in ADDED:
                add_step(name, step.title)
                ADDED.add(name)
