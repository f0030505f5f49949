"""Parameters of the analyses of a detector: pixel histogram and linearity."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter


class HistogramParameters(Parameters):
    """Parameters of `histogram`."""

    data_min: int = parameter(0, "first pixel value counted", unit="counts")
    data_max: int = parameter(
        12000, "values from here on are counted in the last bin", unit="counts", gt=0
    )
    n_slots: int = parameter(12000, "bins, of equal width", ge=1, le=1 << 22)
    notch_max: int = parameter(
        50, "empty bins below this value are reported as notches", unit="counts", ge=0
    )
    indexed_only: bool = parameter(
        True, "whether only indexed spots count (the others hold bad pixels)"
    )


class LinearityParameters(Parameters):
    """Parameters of `linearity`."""

    reference: str | None = parameter(
        None, "name of the run the others are compared with; None: highest transmission"
    )
    intensity: Literal["sum", "prf"] = parameter(
        "sum", "summed intensities, or those of fitted profiles"
    )
    i_over_sigma: float = parameter(3.0, "least I/sigma of a reflection")
    selection: Literal["both", "reference"] = parameter(
        "both",
        "whether I/sigma is asked of both runs, or of the reference only, which does not favour "
        "a weak run",
    )
    max_separation_px: float = parameter(
        3.0, "farthest apart two predictions may be", unit="px", gt=0
    )
    max_separation_images: float = parameter(
        3.0, "farthest apart two predictions may be", unit="images", gt=0
    )
    partiality_threshold: float = parameter(0.99, "least partiality of a reflection", ge=0, le=1)
