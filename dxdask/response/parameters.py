"""Parameters of `calibrate_detector`."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class CalibrateDetectorParameters(Parameters):
    """Parameters of `calibrate_detector`."""

    largest_count: int = parameter(
        65535, "counts above this one are not examined", unit="counts", ge=1, le=1 << 24
    )
