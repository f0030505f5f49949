"""Steps and parameters of `dxdask process`."""

from __future__ import annotations

from typing import Any, cast

from pydantic import create_model

from dxdask.parameters import Parameters, parameter
from dxdask.parameters.reference import ReferenceParameters
from dxdask.pipeline.declaration import Values
from dxdask.pipeline.import_parameters import ImportCommandParameters, ImportStepParameters
from dxdask.pipeline.steps import parameters_of_kind, step_of

PROCESS = (
    "find_spots",
    "index",
    "calibrate_detector",
    "histogram",
    "refine",
    "integrate",
    "symmetry",
    "linearity",
    "scale",
    "merge",
)
"""The steps of `dxdask process`; `steps_of_process` leaves out what does not apply."""


class SharedReference(Parameters):
    """Reference of several steps."""

    reference: ReferenceParameters = parameter(
        ReferenceParameters(),
        "Reference of symmetry and scaling, unless one of them has its own: axes, setting and, "
        "with intensities, scale and B are taken from it.",
    )


def process_parameters() -> Any:
    """Return the parameters of `dxdask process` at default: of the import and of its steps."""
    groups = dict.fromkeys(g for name in PROCESS for g in step_of(name, "sweeps").parameters())
    bases = (SharedReference, ImportStepParameters, parameters_of_kind("sweeps"))
    model = cast("Any", create_model("ProcessParameters", __base__=bases))
    common = ("branch", "runs", "images", "reference")
    model.offered = (*ImportCommandParameters.model_fields, *common, *groups)
    return model()


def completed(parameters: Values) -> Values:
    """Return the parameters of `process` with those of steps that follow from others.

    A space group of indexing is that of symmetry, and the reference serves symmetry and, with
    intensities, scaling, where these have none of their own.
    """
    symmetry, scaling = {}, {}
    if parameters.symmetry.known_space_group is None:
        symmetry["known_space_group"] = parameters.indexing.known_symmetry.space_group
    shared = parameters.reference
    if shared.is_given:
        if not parameters.symmetry.reference.is_given:
            symmetry["reference"] = shared
        if shared.may_have_intensities and not parameters.scaling.reference.is_given:
            scaling["reference"] = shared
    return parameters.model_copy(
        update={
            "symmetry": parameters.symmetry.model_copy(update=symmetry),
            "scaling": parameters.scaling.model_copy(update=scaling),
        }
    )


def steps_of_process(parameters: Values, n_runs: int) -> list[str]:
    """Return the steps of `process`: linearity of several runs, symmetry unless one crystal of a
    space group that is given keeps its axes.

    parameters : as `completed`.
    """
    left_out = set()
    if n_runs < 2:
        left_out.add("linearity")
    known = parameters.symmetry.known_space_group is not None
    joint = n_runs < 2 or parameters.indexing.joint_indexing is True
    one_crystal = joint and parameters.indexing.multiple_lattice_search.max_lattices == 1
    if known and one_crystal and not parameters.symmetry.reference.is_given:
        left_out.add("symmetry")
    return [name for name in PROCESS if name not in left_out]
