"""Masks of borders, regions, resolutions and ice rings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Extras, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.models import Experiment
    from dxdask.pipeline.inputs import RunInput
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.masking.parameters import GenerateMaskParameters

    return {"generate_mask": GenerateMaskParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the mask of one run."""
    from dask.delayed import delayed

    from dxdask.graphs.literal import literal

    run = inputs.run
    mask: Delayed = delayed(_mask, pure=True)(
        literal(run.experiment),
        inputs.parameters,
        (run.shape[1], run.shape[2]),
    )
    return mask


def _mask(experiment: Experiment, given: Values, shape: tuple[int, int]) -> StepResult:
    from dxdask.masking import generate_mask
    from dxdask.models import ExperimentList

    return generate_mask(ExperimentList.of([experiment]), given.generate_mask, [shape])


def extras(_store: Store, runs: Sequence[RunInput], _given: Values) -> Extras:
    """Return the models of each run: they are all that a mask is made from."""
    from dxdask.models import ExperimentList
    from dxdask.storage.store.provenance import fingerprint

    contents = {}
    for run in runs:
        models = ExperimentList.of([run.experiment]).to_dict()
        given = {"models": models, "shape": run.shape[1:]}
        contents[run.name] = {"models": fingerprint("models", given, [], "1")}
    return Extras(by_run=contents)


def write_files(store: Store, given: Values) -> list[str]:
    """Write the masks to the file that `output.mask` names."""
    from dxdask.pipeline.mask_files import write_masks

    return write_masks(store, STEP.name, given.generate_mask.output.mask)


STEP = Step(
    name="generate_mask",
    title="Make a mask of borders, regions, resolutions and ice rings.",
    parameters=parameters,
    build=build,
    scope="run",
    kinds=("sweeps", "stills"),
    as_recorded=True,
    extras=extras,
    write_files=write_files,
    mask=("mask", ""),
    version="2",
    example="border=5",
)
