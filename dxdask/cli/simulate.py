"""`dxdask simulate`: the frames of a known crystal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dxdask.cli import arguments, output
from dxdask.cli.app import app
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
    for path in write_frames(out, parameters):
        output.line(f"wrote {path}")
    if parameters.detector.raw.enabled:
        output.line(f"the dark run is {out / 'dark.nxs'}")
    output.line(f"the truth is in {out / 'truth.json'} and {out / 'truth_intensities.csv'}")
    return None


def write_frames(folder: Path, parameters: SimulationParameters) -> list[Path]:
    """Write simulated frames and their truth into a folder, with a bar; return the files."""
    from dxdask.cluster.progress import bar
    from dxdask.pipeline.simulate import simulate as run

    done: dict[str, tuple[int, int]] = {}
    with bar("simulating") as show:

        def progress(run: str, n: int, total: int) -> None:
            done[run] = n, total
            show(sum(n for n, _ in done.values()), sum(t for _, t in done.values()), run)

        return run(folder, parameters, progress)
