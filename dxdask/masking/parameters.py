"""Parameters of masks, with the names and defaults of dials.generate_mask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dxdask.parameters import Parameters, parameter

Resolutions = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class UntrustedParameters(Parameters):
    """A region of one panel that is not used; without a shape it is the whole panel."""

    panel: int | None = parameter(
        None, "Index of the panel, from 0; None is the first, where a shape is given.", ge=0
    )
    circle: tuple[int, int, int] | None = parameter(
        None, "Centre (fast, slow) and radius.", unit="px"
    )
    rectangle: tuple[int, int, int, int] | None = parameter(
        None, "x0, x1, y0, y1: fast and slow, the second of each not included.", unit="px"
    )
    polygon: tuple[int, ...] | None = parameter(
        None, "Corners as fast, slow, fast, slow ...", unit="px"
    )
    pixel: tuple[int, int] | None = parameter(None, "One pixel: slow, fast.", unit="px")

    @property
    def has_shape(self) -> bool:
        """True if the region is less than the whole panel."""
        shapes = (self.circle, self.rectangle, self.polygon, self.pixel)
        return any(shape is not None for shape in shapes)

    @model_validator(mode="after")
    def _shapes_hold_pixels(self) -> UntrustedParameters:
        if self.circle is not None and self.circle[2] <= 0:
            raise ValueError(f"untrusted.circle={_text(self.circle)}: its radius is not above 0")
        if self.rectangle is not None:
            x0, x1, y0, y1 = self.rectangle
            if not (0 <= x0 < x1 and 0 <= y0 < y1):
                raise ValueError(
                    f"untrusted.rectangle={_text(self.rectangle)} holds no pixel: "
                    "give x0,x1,y0,y1 with 0 <= x0 < x1 and 0 <= y0 < y1"
                )
        corners = self.polygon
        if corners is not None and (len(corners) < 6 or len(corners) % 2 or min(corners) < 0):
            raise ValueError(
                f"untrusted.polygon={_text(corners)}: give fast,slow of three corners or more, "
                "none below 0"
            )
        if self.pixel is not None and min(self.pixel) < 0:
            raise ValueError(f"untrusted.pixel={_text(self.pixel)}: pixels are counted from 0")
        return self


class IceRingParameters(Parameters):
    """Filter of ice rings."""

    filter: bool = parameter(False, "Enable the filter: mask pixels on ice rings.")
    unit_cell: tuple[float, float, float, float, float, float] = parameter(
        (4.498, 4.498, 7.338, 90.0, 90.0, 120.0), "Cell of the ice.", unit="A, degree", expert=1
    )
    space_group: str = parameter("194", "Space group of the ice.", expert=1)
    width: float = parameter(0.002, "Width of a ring in 1/d^2.", unit="1/A^2", expert=1, ge=0.0)
    d_min: float | None = parameter(
        None,
        "High resolution limit of the rings. None: all rings on the detector.",
        unit="A",
        expert=1,
        gt=0.0,
    )


class MaskParameters(Parameters):
    """Parameters of masks that are the same for all frames."""

    border: int = parameter(0, "Width of the border of each panel to mask.", unit="px", ge=0)
    d_min: float | None = parameter(None, "High resolution limit.", unit="A", gt=0.0)
    d_max: float | None = parameter(None, "Low resolution limit.", unit="A", gt=0.0)
    resolution_range: tuple[Resolutions, ...] = parameter(
        (), "Ranges of resolution to mask: pairs of limits in either order.", unit="A"
    )
    disable_parallax_correction: bool = parameter(
        False,
        "Compute resolutions at the front of the sensor, without correction for parallax.",
    )
    untrusted: tuple[UntrustedParameters, ...] = parameter((), "Regions to mask.")
    ice_rings: IceRingParameters = IceRingParameters()

    @model_validator(mode="after")
    def _limits_in_order(self) -> MaskParameters:
        if self.d_min is not None and self.d_max is not None and self.d_min >= self.d_max:
            raise ValueError(
                f"d_min={self.d_min:g} is not below d_max={self.d_max:g}: nothing would be left"
            )
        for low, high in self.resolution_range:
            if low == high:
                raise ValueError(f"resolution_range={low:g},{high:g}: its limits are the same")
        return self

    @model_validator(mode="after")
    def _regions_have_a_place(self) -> MaskParameters:
        if any(region.panel is None and not region.has_shape for region in self.untrusted):
            raise ValueError(
                "an untrusted region has neither a panel nor a shape: "
                "give untrusted.panel, .circle, .rectangle, .polygon or .pixel"
            )
        return self


class MaskOutputParameters(Parameters):
    """Files to write."""

    mask: Path | None = parameter(
        None,
        "A .npy file of booleans (slow, fast), true where a pixel is good; one for each run, "
        "NAME_RUN.npy, where runs differ.",
    )


class GenerateMaskParameters(MaskParameters):
    """Parameters of `generate_mask`."""

    output: MaskOutputParameters = MaskOutputParameters()


class MaskInputParameters(Parameters):
    """Input of `apply_mask`."""

    mask: tuple[str, ...] | None = parameter(
        (),
        "Masks to combine: .npy files of booleans (slow, fast), or steps of the store that made "
        "one: generate_mask, find_bad_pixels, find_spots. None: no mask but the imported one.",
        multiple=True,
    )


class ApplyMaskParameters(Parameters):
    """Parameters of `apply_mask`."""

    input: MaskInputParameters = MaskInputParameters()


def _text(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
