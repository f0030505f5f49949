"""Parameters of the import, named as those of dials.import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dxdask.parameters import Parameters, parameter

ImportedStep = Literal["find_spots", "index", "refine", "integrate", "scale"]


class BeamOverrides(Parameters):
    """Corrections of the beam in the files' headers."""

    wavelength: float | None = parameter(None, "Wavelength.", unit="Angstrom", gt=0)
    direction: tuple[float, float, float] | None = parameter(
        None, "Direction from the sample towards the source."
    )
    polarization_normal: tuple[float, float, float] | None = parameter(
        None, "Normal to the plane of polarisation."
    )
    polarization_fraction: float | None = parameter(None, "Fraction polarised.", ge=0, le=1)
    transmission: float | None = parameter(
        None, "Fraction transmitted by the attenuators.", gt=0, le=1
    )


class PanelOverrides(Parameters):
    """Corrections of one panel in the files' headers; None keeps the header's value."""

    id: int = parameter(0, "Index of the panel, from 0.", ge=0)
    fast_axis: tuple[float, float, float] | None = parameter(
        None, "Direction along a row of pixels."
    )
    slow_axis: tuple[float, float, float] | None = parameter(
        None, "Direction along a column of pixels."
    )
    origin: tuple[float, float, float] | None = parameter(
        None, "Position of the outer corner of the first pixel.", unit="mm"
    )
    pixel_size: tuple[float, float] | None = parameter(
        None, "Size of a pixel along fast and slow.", unit="mm"
    )
    trusted_range: tuple[float, float] | None = parameter(
        None, "Range of trusted counts, without its limits.", unit="counts"
    )
    thickness: float | None = parameter(None, "Thickness of the sensor.", unit="mm", ge=0)
    material: str | None = parameter(None, "Material of the sensor: Si, CdTe, GaAs or Ge.")
    gain: float | None = parameter(None, "Counts per photon.", gt=0)
    pedestal: float | None = parameter(None, "Counts without photons.", unit="counts")


class DetectorOverrides(Parameters):
    """Corrections of the detector in the files' headers."""

    panel: tuple[PanelOverrides, ...] = parameter((), "Panels to change, by id.")
    distance: float | None = parameter(
        None, "Distance from the sample along the normal.", unit="mm", gt=0
    )
    fast_slow_beam_centre: tuple[float, ...] | None = parameter(
        None,
        "Beam centre: fast, slow and, for a detector of several panels, the panel.",
        unit="px",
        min_length=2,
        max_length=3,
    )
    slow_fast_beam_centre: tuple[float, ...] | None = parameter(
        None, "The beam centre, slow first.", unit="px", min_length=2, max_length=3
    )


class GoniometerOverrides(Parameters):
    """Corrections of the goniometer in the files' headers."""

    axes: tuple[float, ...] | None = parameter(
        None, "Directions of the axes, three numbers each, from the crystal outwards."
    )
    angles: tuple[float, ...] | None = parameter(None, "Angles of the axes.", unit="degree")
    names: tuple[str, ...] | None = parameter(None, "Names of the axes.")
    scan_axis: int | None = parameter(None, "Index of the rotation axis, from 0.", ge=0)
    invert_rotation_axis: bool = parameter(False, "Reverse the direction of the rotation axis.")


class ScanOverrides(Parameters):
    """Corrections of the scan in the files' headers."""

    image_range: tuple[int, int] | None = parameter(
        None, "First and last image to import, both included."
    )
    oscillation: tuple[float, float] | None = parameter(
        None, "Start and width of an image.", unit="degree"
    )


class GeometryOverrides(Parameters):
    """Corrections of the files' headers."""

    beam: BeamOverrides = parameter(BeamOverrides(), "The beam.")
    detector: DetectorOverrides = parameter(DetectorOverrides(), "The detector.")
    goniometer: GoniometerOverrides = parameter(GoniometerOverrides(), "The goniometer.")
    scan: ScanOverrides = parameter(ScanOverrides(), "The scan.")


class LookupParameters(Parameters):
    """Lookup files."""

    mask: Path | None = parameter(
        None, "Mask, a .npy file of booleans (slow, fast), true where a pixel is used."
    )


class InputParameters(Parameters):
    """Information that the files lack."""

    reference_geometry: Path | None = parameter(
        None,
        "Models to use instead of those in the files: .expt of DIALS, .geom of CrystFEL, or .json "
        "of panels, or a store (.zarr) that refined them. Raw HDF5 that is not NXmx needs a file.",
    )
    reference_branch: str = parameter(
        "main", "Branch of the store that `reference_geometry` names."
    )
    use_detector_reference: bool = parameter(True, "Use the detector of the reference geometry.")
    use_beam_reference: bool = parameter(
        True,
        "Use the beam's direction and polarisation of the reference geometry, and its wavelength "
        "if given.",
    )
    step: ImportedStep | None = parameter(
        None,
        "Step that reflections of another program stand for. None: by their columns; indexed ones "
        "are of `refine` where the crystal varies over the scan, or the file's name says refined.",
    )
    dataset: str | None = parameter(
        None,
        "Dataset of the frames in HDF5, such as /entry/data/data, where a file has several or is "
        "not NXmx.",
    )
    detector: str | None = parameter(
        None,
        "NXdetector of the frames, such as /entry/instrument/detector, where a file has several.",
    )
    conventions: Path | None = parameter(
        None,
        "Conventions of detectors and beamlines that CBF and SMV headers lack, a .toml file; they "
        "come before the built-in ones.",
    )


class ImportParameters(Parameters):
    """Parameters of the import."""

    template: str | None = parameter(
        None, "Files with their numbers as '#', such as lyso_####.cbf, beside any files named."
    )
    link: bool = parameter(
        False, "Link the frames: leave them in their files, to which the store refers."
    )
    images_per_chunk: int = parameter(1, "Images in one chunk of the store.", ge=1)
    allow_mixed_detectors: bool = parameter(
        False, "Allow runs recorded on different detectors in one store."
    )
    convert_stills: bool = parameter(
        False, "Import every image as a still, and ignore the rotation in its header."
    )
    events: tuple[int, ...] = parameter(
        (), "Events to import, by the facility's number, or by the image's if there is none."
    )
    max_events: int | None = parameter(None, "Maximum number of events to import.", ge=1)
    input: InputParameters = parameter(InputParameters(), "Information that the files lack.")
    geometry: GeometryOverrides = parameter(GeometryOverrides(), "Corrections of the headers.")
    lookup: LookupParameters = parameter(LookupParameters(), "Lookup files.")
