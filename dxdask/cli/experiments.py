"""`dxdask combine_experiments`, `split_experiments`, `slice_sequence`: sets of experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import making_store, on_store
from dxdask.cli.overview import as_data, overview

if TYPE_CHECKING:
    from dxdask.pipeline.experiments.parameters import (
        CombineParameters,
        SliceParameters,
        SplitParameters,
    )
    from dxdask.storage.store.store import Store

_PARAMETERS = "dxdask.pipeline.experiments.parameters"


@making_store("combine_experiments", f"{_PARAMETERS}:CombineParameters", Path("combined.zarr"))
def combine_experiments(
    paths: list[str], out: Path, parameters: CombineParameters, json: bool
) -> None:
    """Put runs of stores, or of .expt and .refl files, with their results into one new store."""
    from dxdask.pipeline.experiments.combine import combine_experiments as run

    arguments.need(paths, "combine_experiments", "stores, or .expt and .refl files")
    _show([run(paths, out, parameters)], json=json)


@on_store("split_experiments", f"{_PARAMETERS}:SplitParameters")
def split_experiments(paths: list[str], parameters: SplitParameters, json: bool) -> None:
    """Put the runs of a store into several: one a run, a detector or a wavelength."""
    from dxdask.pipeline.experiments.split import split_experiments as run

    path = arguments.one_store(paths, "split_experiments")
    _show(run(path, parameters), json=json)


@making_store("slice_sequence", f"{_PARAMETERS}:SliceParameters", Path("sliced.zarr"))
def slice_sequence(paths: list[str], out: Path, parameters: SliceParameters, json: bool) -> None:
    """Put ranges of images of runs, and their reflections, into a new store."""
    from dxdask.pipeline.experiments.split import slice_sequence as run

    path = arguments.one_store(paths, "slice_sequence")
    _show([run(path, out, parameters)], json=json)


def _show(stores: list[Store], *, json: bool) -> None:
    if json:
        output.as_json({str(store.path): as_data(store) for store in stores})
        return
    for store in stores:
        output.lines(overview(store))
        steps = ", ".join(store.show()["steps"])
        output.line(f"with the results of {steps}" if steps else "without results")
