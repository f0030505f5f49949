"""Masks in use from now on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Extras, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.arrays import Mask
    from dxdask.models import Experiment
    from dxdask.pipeline.inputs import RunInput
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.masking.parameters import ApplyMaskParameters

    return {"apply_mask": ApplyMaskParameters()}


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the masks to apply to the runs, of files or of steps."""
    from dxdask.pipeline.applied_masks import masks_to_apply

    return masks_to_apply(store, runs, given.apply_mask.input.mask)


def build(inputs: StepInputs) -> Delayed:
    """Return the mask of one run that is to be used from now on."""
    from dask.delayed import delayed

    from dxdask.graphs.literal import literal

    run = inputs.run
    names = inputs.parameters.apply_mask.input.mask or ()
    mask: Delayed = delayed(_apply, pure=True)(
        literal(run.experiment),
        run.imported_mask,
        inputs.extras.values.get(run.name),
        names,
    )
    return mask


def _apply(
    experiment: Experiment, imported: Mask, mask: Mask | None, names: Sequence[str]
) -> StepResult:
    from dxdask.masking import apply_mask
    from dxdask.models import ExperimentList

    run = experiment.run
    given = {} if mask is None else {run: mask}
    return apply_mask(ExperimentList.of([experiment]), {run: imported}, given, names)


STEP = Step(
    name="apply_mask",
    title="Use a mask, of a file or of a step, from now on (mask=none: no longer).",
    parameters=parameters,
    build=build,
    scope="run",
    kinds=("sweeps", "stills"),
    as_recorded=True,
    extras=extras,
    example="mask=None",
)
