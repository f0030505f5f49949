"""Parameters of masks, with the names and defaults of dials.generate_mask."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dxdask.parameters import Parameters, parameter

Resolutions = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class UntrustedParameters(Parameters):
    """A region of one panel not to use; with no shape it is the whole panel."""

    panel: int | None = parameter(
        None, "Which panel, counted from 0; None is the first where a shape is given.", ge=0
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


class IceRingParameters(Parameters):
    """Rings of ice to leave out."""

    filter: bool = parameter(False, "Whether to leave out pixels on ice rings.")
    unit_cell: tuple[float, float, float, float, float, float] = parameter(
        (4.498, 4.498, 7.338, 90.0, 90.0, 120.0), "Cell of the ice.", unit="A, degree", expert=1
    )
    space_group: str = parameter("194", "Space group of the ice.", expert=1)
    width: float = parameter(0.002, "Width of a ring in 1/d^2.", unit="1/A^2", expert=1, ge=0.0)
    d_min: float | None = parameter(
        None,
        "Rings down to this resolution; None: all on the detector.",
        unit="A",
        expert=1,
        gt=0.0,
    )


class MaskParameters(Parameters):
    """Which pixels of each panel may be used, whatever the frame."""

    border: int = parameter(0, "Pixels not to use along the edges of each panel.", unit="px", ge=0)
    d_min: float | None = parameter(None, "High resolution limit.", unit="A", gt=0.0)
    d_max: float | None = parameter(None, "Low resolution limit.", unit="A", gt=0.0)
    resolution_range: tuple[Resolutions, ...] = parameter(
        (), "Ranges of resolution not to use: pairs of limits in either order.", unit="A"
    )
    untrusted: tuple[UntrustedParameters, ...] = parameter((), "Regions not to use.")
    ice_rings: IceRingParameters = IceRingParameters()

    @model_validator(mode="after")
    def _limits_in_order(self) -> MaskParameters:
        if self.d_min is not None and self.d_max is not None and self.d_min >= self.d_max:
            raise ValueError(
                f"d_min={self.d_min:g} is not below d_max={self.d_max:g}: nothing would be left"
            )
        return self
