"""Steps and parameters of `dxdask process`."""

from __future__ import annotations

from typing import Any, cast

from pydantic import create_model

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
"""The steps of `dxdask process`: symmetry if no space group is given, linearity of several runs."""


def process_parameters() -> Any:
    """Return the parameters of `dxdask process` at default: of the import and of its steps."""
    groups = dict.fromkeys(g for name in PROCESS for g in step_of(name, "sweeps").parameters())
    bases = (ImportStepParameters, parameters_of_kind("sweeps"))
    model = cast("Any", create_model("ProcessParameters", __base__=bases))
    model.offered = (*ImportCommandParameters.model_fields, "branch", "runs", "images", *groups)
    return model()
