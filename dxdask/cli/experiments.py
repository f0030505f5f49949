"""`dxdask combine_experiments`, `split_experiments`, `slice_sequence`: sets of experiments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import making_store, on_store
from dxdask.cli.logs import log_to
from dxdask.cli.overview import as_data, overview

if TYPE_CHECKING:
    from dxdask.parameters import Parameters
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
    with _logged(out, "combine_experiments", parameters, json=json) as made:
        made.append(run(paths, out, parameters))


@on_store("split_experiments", f"{_PARAMETERS}:SplitParameters")
def split_experiments(paths: list[str], parameters: SplitParameters, json: bool) -> None:
    """Put the runs of a store into several: one a run, a detector or a wavelength."""
    from dxdask.pipeline.experiments.split import split_experiments as run

    path = arguments.one_store(paths, "split_experiments")
    beside = Path(f"{parameters.output.experiments_prefix}.zarr")
    with _logged(beside, "split_experiments", parameters, json=json) as made:
        made += run(path, parameters)


@making_store("slice_sequence", f"{_PARAMETERS}:SliceParameters", Path("sliced.zarr"))
def slice_sequence(paths: list[str], out: Path, parameters: SliceParameters, json: bool) -> None:
    """Put ranges of images of runs, and their reflections, into a new store."""
    from dxdask.pipeline.experiments.split import slice_sequence as run

    path = arguments.one_store(paths, "slice_sequence")
    with _logged(out, "slice_sequence", parameters, json=json) as made:
        made.append(run(path, out, parameters))


@contextmanager
def _logged(
    store: Path, command: str, parameters: Parameters, *, json: bool
) -> Iterator[list[Store]]:
    """Yield a list for the stores that are made, which are shown in the end.

    store : whose name the log has.
    """
    made: list[Store] = []
    with log_to(store, command, creates=True, quiet=json, compiles=False):
        output.changed_parameters(parameters)
        yield made
        for one in made:
            output.lines(overview(one))
            steps = ", ".join(one.show()["steps"])
            output.line(f"with the results of {steps}" if steps else "without results")
    if json:
        output.as_json({str(one.path): as_data(one) for one in made})
