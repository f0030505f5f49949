"""Beam centres of sweeps, from their spots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.indexing.search_beam_position.parameters import SearchBeamPositionParameters

    return {"search_beam_position": SearchBeamPositionParameters()}


def _search(spots: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.indexing.index import COLUMNS_NEEDED
    from dxdask.indexing.search_beam_position import search_beam_position

    columns = spots.present([*COLUMNS_NEEDED, "bbox"])
    table, experiments = spots.of_runs(names, columns)
    return search_beam_position(table, experiments, given.search_beam_position)


STEP = Step(
    name="search_beam_position",
    title="Find the beam centre from the spots; index takes it.",
    parameters=parameters,
    build=one_task(_search, "find_spots"),
    needs=("find_spots",),
)
