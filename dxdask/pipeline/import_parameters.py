"""What the commands take that begin with raw files: `dxdask import` and `dxdask process`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from dxdask.parameters import parameter
from dxdask.pipeline.catalogue import PROCESS, STEPS
from dxdask.pipeline.parameters import Running, StepParameters
from dxdask.storage.importers.parameters import ImportParameters


class ImportStepParameters(ImportParameters):
    """Parameters of the import into a store."""

    overwrite: bool = parameter(False, "replace a store that is there")

    def of_reading(self) -> dict[str, Any]:
        """Return those of the import that say how frames are read, as JSON holds them."""
        fields = set(ImportStepParameters.model_fields) - {"overwrite"}
        return self.model_dump(mode="json", include=fields)


class ImportCommandParameters(ImportStepParameters, Running):
    """Parameters of `dxdask import`."""


class ProcessParameters(ImportStepParameters, StepParameters):
    """Parameters of `dxdask process`: of the import and of the steps that it runs."""

    offered: ClassVar[Collection[str] | None] = (
        *ImportCommandParameters.model_fields,
        *dict.fromkeys(group for name in PROCESS for group in STEPS[name].groups),
    )
