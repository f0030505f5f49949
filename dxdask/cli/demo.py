"""`dxdask demo`: frames of a known crystal, the whole job on them, and both beside each other."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.layout import WIDTH
from dxdask.cli.logs import log_to
from dxdask.cli.options import Directory
from dxdask.cli.simulate import write_frames
from dxdask.cli.summary import summary_lines

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


@app.command()
def demo(out: Directory = Path("demo")) -> None:
    """Simulate five runs at five transmissions and take them to merged intensities."""
    from dxdask.cli.truth import comparison
    from dxdask.pipeline import ensemble
    from dxdask.pipeline.export import export_store
    from dxdask.pipeline.export_parameters import ExportParameters
    from dxdask.pipeline.process_parameters import process_parameters
    from dxdask.report import plot_ensemble
    from dxdask.simulation import SimulationParameters
    from dxdask.storage.exporters.whole_file import whole_file

    store_path, picture = out / "ensemble.zarr", out / "ensemble.png"
    simulation = SimulationParameters()
    with log_to(store_path, "demo", creates=True):
        n_runs, n_images = len(simulation.transmissions), simulation.scan.n_images
        output.line(
            f"{n_runs} runs of {n_images} images of one crystal at {n_runs} transmissions, on a "
            "faulty detector"
        )
        shutil.rmtree(out / "frames", ignore_errors=True)
        files = write_frames(out / "frames", simulation)
        output.line(f"  simulated into {out / 'frames'}\n")
        given = [f"space_group={simulation.crystal.space_group}", "overwrite=true"]
        output.line(f"dxdask process '{out / 'frames'}/*/*.nxs' {' '.join(given[:1])!r} ...")
        parameters = arguments.read_parameters(process_parameters, None, given)
        store = ensemble.process(files, store_path, parameters, _step_line)
        output.lines(summary_lines(store))
        mtz = export_store(store, ExportParameters(output=str(out / "merged.mtz")))
        with whole_file(picture) as aside:
            plot_ensemble(store).savefig(aside, dpi=110)
        output.lines(["", *comparison(store, simulation, out / "frames")])
        output.line(f"\nintensities  {mtz[0]}")
        output.line(f"picture      {picture}")
        output.line(f"all results  dxdask show {store_path}")


def _step_line(store: Store, name: str) -> None:
    from dxdask.pipeline.steps import step_of

    for text in output.whole_report(store, name, str):
        output.log.info("%s", text)
    title = step_of(name, "sweeps").title
    shortened = textwrap.shorten(title, WIDTH - 26, placeholder=" ...")
    seconds = store.step_attributes(name).get("seconds", {}).get("wall", 0.0)
    output.line(f"  {name:<12}{seconds:6.1f} s   {shortened}")
