"""Crystal of each hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Extras, Pass, Scope, Step, Values

if TYPE_CHECKING:
    from dxdask.pipeline.inputs import RunInput
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.indexing.stills.parameters import StillIndexParameters

    return {"indexing": StillIndexParameters()}


def scope(values: Values) -> Scope:
    """Return `run` where the cell is known, else the ensemble: all hits together find it."""
    return "run" if values.indexing.known_symmetry.unit_cell is not None else "ensemble"


def extras(_store: Store, runs: Sequence[RunInput], values: Values) -> Extras:
    """Return the geometry of runs whose geometry is known better than in their files.

    Domain sizes are found with the crystals, and depend on the bandwidth.
    """
    from dxdask.pipeline.stills.events import geometry_contents

    bandwidth = values.integration.prediction.bandwidth
    return Extras(contents={"bandwidth": bandwidth}, by_run=geometry_contents(runs))


def events() -> Pass:
    """Return the pass over the frames that this step is part of."""
    from dxdask.pipeline.stills.events import EVENTS

    return EVENTS


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables of all runs; the cell is the median over all crystals."""
    from dxdask.graphs.stills.reports import combine_indexed

    names = ("hit", "indexed", "a_matrix", "reason", "rmsd_x_px", "rmsd_y_px")
    n_additional = len(inputs.arrays(("additional_still",))["additional_still"])
    return combine_indexed(inputs.results, inputs.arrays(names), n_additional)


STEP = Step(
    name="index",
    title="Find and refine the crystal of each hit.",
    parameters=parameters,
    in_pass=events,
    needs=("find_spots", "hits"),
    scope=scope,
    kinds=("stills",),
    extras=extras,
    combine=combine,
    version="stills 3",
)
