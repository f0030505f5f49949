"""Refined models of sweeps."""

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
    from dxdask.indexing.parameters import RefinedFitParameters
    from dxdask.refinement.modules.parameters import ModuleParameters
    from dxdask.refinement.parameters import RefinementParameters

    return {
        "refinement": RefinementParameters(),
        "detector": ModuleParameters(),
        "fit": RefinedFitParameters(),
    }


def _refine(indexed: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.indexing.index import COLUMNS_NEEDED as CENTROIDS
    from dxdask.indexing.refined_fit import with_fit_judged
    from dxdask.pipeline.recut import StoredMasks
    from dxdask.refinement.modules.refine import refine_with_modules
    from dxdask.refinement.predict import COLUMNS_NEEDED
    from dxdask.refinement.selection import VARIANCES

    more = ("entering", "s1", "rlp", "bbox")
    wanted = dict.fromkeys((*CENTROIDS, *COLUMNS_NEEDED, *VARIANCES, *more))
    table, experiments = indexed.of_runs(names, indexed.present(list(wanted)))
    masks = StoredMasks(indexed.path, experiments.runs)
    result = refine_with_modules(table, experiments, given.refinement, masks, given.detector)
    return with_fit_judged(result, experiments, given.fit)


STEP = Step(
    name="refine",
    title="Refine crystal, detector and beam, jointly over the runs.",
    parameters=parameters,
    build=one_task(_refine, "index"),
    needs=("index",),
    carries="index",
    alternatives={"index": ("reindex",)},
    version="7",
)
