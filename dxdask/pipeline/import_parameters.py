"""Parameters of the import of raw files into a store."""

from __future__ import annotations

from typing import Any

from dxdask.parameters import parameter
from dxdask.pipeline.parameters import Running
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
