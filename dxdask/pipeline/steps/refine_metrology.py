"""Positions of the panels, from all indexed stills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.pipeline.metrology.parameters import MetrologyOutputParameters
    from dxdask.refinement.metrology.parameters import MetrologyParameters
    from dxdask.refinement.modules.parameters import ModuleParameters

    return {
        "metrology": MetrologyParameters(),
        "detector": ModuleParameters(),
        "output": MetrologyOutputParameters(),
    }


def given(values: Values) -> dict[str, object]:
    """Return the parameters that the result depends on: not the files it is written to."""
    return {
        name: getattr(values, name).model_dump(mode="json") for name in ("metrology", "detector")
    }


def _refine(indexed: StoredResult, names: list[str], values: Values) -> StepResult:
    from dxdask.pipeline.recut import StoredMasks
    from dxdask.refinement.modules.stills import refine_metrology_with_modules

    table, experiments = indexed.of_runs(names)
    masks = StoredMasks(indexed.path, experiments.runs)
    return refine_metrology_with_modules(
        table, indexed.stills(names), experiments, values.metrology, masks, values.detector
    )


def write_files(store: Store, values: Values) -> list[str]:
    """Write the refined geometry to the files that `output.geometry` names."""
    from dxdask.storage.exporters.geometry import write_geometry

    output = values.output
    if not output.geometry:
        return []
    refined = store.experiments(STEP.name)[0]
    for file in output.geometry:
        write_geometry(file, refined, data=output.data, wavelength=output.wavelength)
    return [str(file) for file in output.geometry]


STEP = Step(
    name="refine_metrology",
    title="Refine where the panels of the detector are, from all indexed stills.",
    parameters=parameters,
    build=one_task(_refine, "index"),
    needs=("index",),
    kinds=("stills",),
    version="2",
    given=given,
    write_files=write_files,
    command_only={"output.picture": "draw with dxdask.report.plot_metrology(store)"},
)
