"""The commands `stills_process` and `pedestal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import making_store
from dxdask.cli.logs import log_to
from dxdask.cli.overview import as_data
from dxdask.cli.summary import summary_lines

if TYPE_CHECKING:
    from dxdask.pipeline.pedestal import PedestalParameters
    from dxdask.pipeline.stills.parameters import StillsProcessParameters


@making_store("stills_process", "dxdask.pipeline.stills.parameters:StillsProcessParameters", None)
def stills_process(
    paths: list[str], out: Path | None, parameters: StillsProcessParameters, json: bool
) -> None:
    """Take stills of files, or those of a store, from raw events to merged intensities."""
    from dxdask.pipeline.stills.process import stills_process as run

    arguments.need(paths or parameters.template, "stills_process", "files, or a store")
    where = out or (Path(paths[0]) if len(paths) == 1 and paths[0].endswith(".zarr") else None)
    where = where or Path("stills.zarr")
    with log_to(where, "stills_process", creates=True, quiet=json, lists_problems=True):
        output.changed_parameters(parameters)
        store = run(paths, where, parameters, output.Reports(where, parameters.branch))
        output.lines(output.problems(store, "import"))
        output.lines(summary_lines(store))
        output.line(f"\nThe results are in {store.path}")
    if json:
        output.as_json(as_data(store))


@making_store("pedestal", "dxdask.pipeline.pedestal:PedestalParameters", None)
def pedestal(
    paths: list[str], out: Path | None, parameters: PedestalParameters, json: bool
) -> None:
    """Reduce a dark run to pedestal, noise and bad pixels, in a store for calibration.dark_path."""
    from dxdask.pipeline.pedestal import pedestal as run

    arguments.need(paths, "pedestal", "the file of a dark run, or its store")
    with log_to(
        out or Path(paths[0]), "pedestal", creates=out is not None, quiet=json, lists_problems=True
    ):
        output.changed_parameters(parameters)
        store = run(paths, out, parameters, output.Reports(out or Path(paths[0])))
        output.lines(output.problems(store, "import"))
    if json:
        output.as_json(store.show("pedestal"))
