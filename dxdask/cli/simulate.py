"""`dxdask simulate` and `dxdask demo`: the frames of a known crystal, and the whole job on them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Directory, Expert, File
from dxdask.errors import ParameterError

if TYPE_CHECKING:
    from dxdask.simulation import SimulationParameters

Stills = Annotated[
    bool,
    typer.Option("--stills", help="begin with raw shots of many crystals, not sweeps of one"),
]


@app.command()
def simulate(
    given: Arguments = None,
    out: Directory = Path("simulated"),
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
    stills: Stills = False,
) -> None:
    """Make the frames of a known crystal as NXmx files, with the truth beside them."""
    from dxdask.pipeline.simulate import simulation_parameters

    paths, texts = arguments.split(given or [])
    if paths:
        raise ParameterError(f"dxdask simulate takes parameters and -o FOLDER, not {paths[0]!r}")
    parameters = arguments.read_parameters(
        lambda: simulation_parameters(stills=stills), file, texts
    )
    if config:
        return output.configuration(parameters, expert)
    for path in _write(out, parameters):
        output.line(f"wrote {path}")
    if parameters.detector.raw.enabled:
        output.line(f"the dark run is {out / 'dark.nxs'}")
    output.line(f"the truth is in {out / 'truth.json'} and {out / 'truth_intensities.csv'}")
    return None


@app.command()
def demo(out: Directory = Path("demo")) -> None:
    """Simulate five runs at five transmissions and take them to merged intensities."""
    from dxdask.pipeline import ensemble
    from dxdask.pipeline.export import ExportParameters, export_store
    from dxdask.pipeline.import_parameters import process_parameters
    from dxdask.report import plot_ensemble
    from dxdask.simulation import SimulationParameters

    store_path, picture = out / "ensemble.zarr", out / "ensemble.png"
    simulation = SimulationParameters()
    out.mkdir(parents=True, exist_ok=True)
    with log_to(store_path, "demo", creates=True):
        output.line(f"Simulating {len(simulation.transmissions)} runs into {out / 'frames'}")
        shutil.rmtree(out / "frames", ignore_errors=True)
        files = _write(out / "frames", simulation)
        parameters = arguments.read_parameters(
            process_parameters,
            None,
            [f"space_group={simulation.crystal.space_group}", "overwrite=true"],
        )
        store = ensemble.process(files, store_path, parameters, output.step)
        mtz = export_store(store, ExportParameters(output=str(out / "merged.mtz")))
        plot_ensemble(store).savefig(picture, dpi=110)
        output.line(f"\nmerged intensities: {mtz[0]}")
        output.line(f"store:              {store_path}   (dxdask show {store_path})")
        output.line(f"picture:            {picture}")


def _write(folder: Path, parameters: SimulationParameters) -> list[Path]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from dxdask.pipeline.simulate import simulate as run

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks = {}

        def progress(run: str, done: int, total: int) -> None:
            if run not in tasks:
                tasks[run] = bar.add_task(run, total=total)
            bar.update(tasks[run], completed=done)

        return run(folder, parameters, progress)
