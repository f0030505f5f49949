"""Parameters of the commands of metrology."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from dxdask.parameters import Parameters, parameter

GEOMETRIES = (".geom", ".expt", ".json")
PICTURES = (".png", ".svg", ".pdf")


class PictureParameters(Parameters):
    """The picture of how panels moved."""

    picture: Path | None = parameter(
        None, "Draw how the panels moved, arrows magnified, to this .png, .svg or .pdf file."
    )

    @field_validator("picture")
    @classmethod
    def _can_be_drawn(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix not in PICTURES:
            raise ValueError(f"{value} is no {', '.join(PICTURES)}")
        return value


class MetrologyOutputParameters(PictureParameters):
    """Files that `refine_metrology` writes beside its result in the store."""

    geometry: tuple[Path, ...] = parameter(
        (),
        "Write the refined geometry to these files: .geom of CrystFEL, .expt of DIALS, .json of "
        "panels.",
        multiple=True,
    )
    data: str = parameter(
        "/entry/data/data", "Dataset of the frames (image, slow, fast), for .geom.", expert=1
    )
    wavelength: str | None = parameter(
        None, "Dataset of the wavelength of each image, Angstrom, for .geom; None: their mean.",
        expert=1,
    )  # fmt: skip

    @field_validator("geometry")
    @classmethod
    def _can_be_written(cls, values: tuple[Path, ...]) -> tuple[Path, ...]:
        for value in values:
            if value.suffix not in GEOMETRIES:
                raise ValueError(f"{value} is no {', '.join(GEOMETRIES)}")
        return values


class DetectorShiftsParameters(Parameters):
    """Parameters of `dxdask detector_shifts`."""

    max_hierarchy_level: int | None = parameter(
        None, "Smallest parts shown: 0 the whole, 1 the groups in it, ...; None: panels.", ge=0
    )
    output: PictureParameters = PictureParameters()
