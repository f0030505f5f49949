"""Parameters of `calibrate_detector`."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter


class CalibrateDetectorParameters(Parameters):
    """Parameters of `calibrate_detector`."""

    method: Literal["auto", "skipped_counts", "transmissions"] = parameter(
        "auto",
        "skipped_counts: by the counts that are never recorded; transmissions: by the ratios of "
        "runs of one scan at several transmissions; auto: by skipped counts where they give a "
        "response, else by transmissions.",
    )
    largest_count: int = parameter(
        65535, "counts above this one are not examined", unit="counts", ge=1, le=1 << 24
    )
