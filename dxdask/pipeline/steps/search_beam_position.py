"""Beam centres of sweeps, from their spots or their frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, StepInputs, Values, one_task

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.arrays import Floats
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.indexing.search_beam_position.parameters import SearchBeamPositionParameters

    return {"search_beam_position": SearchBeamPositionParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the beam centres of all runs, from spots or, by the methods on frames, mean images."""
    from dxdask.indexing.search_beam_position.parameters import ON_FRAMES

    given = inputs.parameters.search_beam_position
    if given.method not in ON_FRAMES:
        return one_task(_search, "find_spots")(inputs)
    from dask.delayed import delayed

    from dxdask.graphs.mean_image import mean_image

    most = given.projection.max_images
    images = {
        run.name: mean_image(inputs.frames(run), run.experiment, run.mask, max_images=most)
        for run in inputs.runs
    }
    names = [run.name for run in inputs.runs]
    found: Delayed = delayed(_search, pure=True)(
        inputs.results["find_spots"], names, inputs.parameters, images
    )
    return found


def _search(
    spots: StoredResult, names: list[str], given: Values, images: Mapping[str, Floats] | None = None
) -> StepResult:
    from dxdask.indexing.index import COLUMNS_NEEDED
    from dxdask.indexing.search_beam_position import search_beam_position

    columns = spots.present([*COLUMNS_NEEDED, "bbox"])
    table, experiments = spots.of_runs(names, columns)
    return search_beam_position(table, experiments, given.search_beam_position, images=images)


# Frames are those of find_spots, whose fingerprint has them, and are read by two methods only.
STEP = Step(
    name="search_beam_position",
    title="Find the beam centre from the spots, or from frames; index takes it.",
    parameters=parameters,
    build=build,
    needs=("find_spots",),
    version="2",
)
