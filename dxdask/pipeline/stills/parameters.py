"""Parameters of the commands for stills."""

from __future__ import annotations

from pathlib import Path

from dxdask.calibration.parameters import CalibrationParameters
from dxdask.graphs.stills.parameters import StillsParameters
from dxdask.parameters import Parameters, parameter
from dxdask.pipeline.import_parameters import ImportStepParameters
from dxdask.pipeline.parameters import StepParameters


class StillsBaseParameters(StillsParameters, StepParameters):
    """Parameters of the steps for stills, and of where they run."""

    calibration: CalibrationParameters = parameter(
        CalibrationParameters(), "Calibration of raw frames to photons."
    )


class FollowParameters(Parameters):
    """Of files that are still being written."""

    follow: bool = parameter(
        False,
        "Wait for files and process each as it comes: HDF5 files, one run each, of the folders, "
        "patterns and lists (.lst, .txt: a file a line) named. It takes a known cell.",
    )
    follow_timeout: float = parameter(
        600.0, "End when no file has come for so long.", unit="s", ge=0
    )
    follow_interval: float = parameter(5.0, "Look for files so often.", unit="s", gt=0)
    follow_stop: Path | None = parameter(
        None, "End when this file is there, and all files that are whole by then are processed."
    )


class StillsProcessParameters(ImportStepParameters, StillsBaseParameters, FollowParameters):
    """Parameters of `dxdask stills_process`: of the import and of the steps."""

    link: bool = parameter(
        True, "Leave the frames in their files where these allow it, else copy them to the store."
    )
