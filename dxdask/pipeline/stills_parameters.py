"""What the commands for stills take."""

from __future__ import annotations

from dxdask.calibration.parameters import CalibrationParameters
from dxdask.parameters import parameter
from dxdask.pipeline.import_parameters import ImportStepParameters
from dxdask.pipeline.parameters import Running
from dxdask.stills.parameters import StillsParameters


class StillsStepParameters(StillsParameters, Running):
    """Of the steps, and where they run."""

    calibration: CalibrationParameters = parameter(
        CalibrationParameters(), "From what a detector recorded to photons, if asked for."
    )


class StillsProcessParameters(ImportStepParameters, StillsStepParameters):
    """Parameters of `dxdask stills_process`: of the import and of the steps."""

    link: bool = parameter(
        True, "Leave the frames in their files where these allow it, else copy them to the store."
    )
