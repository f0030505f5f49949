"""Parameters of the commands that begin with raw files: `dxdask import` and `dxdask process`."""

from __future__ import annotations

from typing import Any, cast

from pydantic import create_model

from dxdask.parameters import parameter
from dxdask.pipeline.parameters import Running
from dxdask.pipeline.steps import parameters_of_kind, step_of
from dxdask.storage.importers.parameters import ImportParameters


class ImportStepParameters(ImportParameters):
    """Parameters of the import into a store."""

    overwrite: bool = parameter(False, "replace a store that is there")

    def of_reading(self) -> dict[str, Any]:
        """Return the import's parameters of the reading of frames, as JSON holds them."""
        fields = set(ImportStepParameters.model_fields) - {"overwrite"}
        return self.model_dump(mode="json", include=fields)


class ImportCommandParameters(ImportStepParameters, Running):
    """Parameters of `dxdask import`."""


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
