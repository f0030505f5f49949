"""The parameters of the import, with the names of dials.import."""

from __future__ import annotations

from pathlib import Path

from dxdask.parameters import Parameters, parameter


class BeamOverrides(Parameters):
    """What is wrong about the beam in the files' headers."""

    wavelength: float | None = parameter(None, "Wavelength.", unit="Angstrom", gt=0)
    direction: tuple[float, float, float] | None = parameter(
        None, "Direction from the sample towards the source."
    )
    polarization_normal: tuple[float, float, float] | None = parameter(
        None, "Normal to the plane of polarisation."
    )
    polarization_fraction: float | None = parameter(None, "Fraction polarised.", ge=0, le=1)
    transmission: float | None = parameter(None, "Fraction let through by attenuators.", gt=0, le=1)


class PanelOverrides(Parameters):
    """What is wrong about one panel in the files' headers; None leaves it."""

    id: int = parameter(0, "Which panel, counted from 0.", ge=0)
    fast_axis: tuple[float, float, float] | None = parameter(None, "Along a row of pixels.")
    slow_axis: tuple[float, float, float] | None = parameter(None, "Along a column of pixels.")
    origin: tuple[float, float, float] | None = parameter(
        None, "Outer corner of the first pixel.", unit="mm"
    )
    pixel_size: tuple[float, float] | None = parameter(None, "Along fast and slow.", unit="mm")
    trusted_range: tuple[float, float] | None = parameter(
        None, "Counts strictly between the two are trusted.", unit="counts"
    )
    thickness: float | None = parameter(None, "Of the sensor.", unit="mm", ge=0)
    material: str | None = parameter(None, "Of the sensor: Si, CdTe, GaAs or Ge.")
    gain: float | None = parameter(None, "Counts per photon.", gt=0)
    pedestal: float | None = parameter(None, "Counts at no photon.", unit="counts")


class DetectorOverrides(Parameters):
    """What is wrong about the detector in the files' headers."""

    panel: tuple[PanelOverrides, ...] = parameter((), "Panels to change, by id.")
    distance: float | None = parameter(None, "From the sample along the normal.", unit="mm", gt=0)
    fast_slow_beam_centre: tuple[float, ...] | None = parameter(
        None,
        "Where the beam meets the detector: fast, slow and, of several panels, the panel.",
        unit="px",
        min_length=2,
        max_length=3,
    )
    slow_fast_beam_centre: tuple[float, ...] | None = parameter(
        None, "The same, slow first.", unit="px", min_length=2, max_length=3
    )


class GoniometerOverrides(Parameters):
    """What is wrong about the goniometer in the files' headers."""

    axes: tuple[float, ...] | None = parameter(
        None, "Three numbers for each axis, from the crystal outwards."
    )
    angles: tuple[float, ...] | None = parameter(None, "One for each axis.", unit="degree")
    names: tuple[str, ...] | None = parameter(None, "One for each axis.")
    scan_axis: int | None = parameter(None, "Which axis turns, counted from 0.", ge=0)
    invert_rotation_axis: bool = parameter(False, "Turn the other way about the same axis.")


class ScanOverrides(Parameters):
    """What is wrong about the scan in the files' headers."""

    image_range: tuple[int, int] | None = parameter(
        None, "First and last image to import, both included."
    )
    oscillation: tuple[float, float] | None = parameter(
        None, "Start and width of an image.", unit="degree"
    )


class GeometryOverrides(Parameters):
    """What to believe instead of the files' headers."""

    beam: BeamOverrides = parameter(BeamOverrides(), "The beam.")
    detector: DetectorOverrides = parameter(DetectorOverrides(), "The detector.")
    goniometer: GoniometerOverrides = parameter(GoniometerOverrides(), "The goniometer.")
    scan: ScanOverrides = parameter(ScanOverrides(), "The scan.")


class LookupParameters(Parameters):
    """Further files."""

    mask: Path | None = parameter(
        None, "A .npy file of booleans (slow, fast), true where a pixel may be used."
    )


class InputParameters(Parameters):
    """What the files do not say themselves."""

    reference_geometry: Path | None = parameter(
        None,
        "Models to take instead of those in the files: .expt of DIALS, .geom of CrystFEL, or .json "
        "of panels. Raw HDF5 that is no NXmx needs one. For stills also a refined store (.zarr).",
    )
    use_detector_reference: bool = parameter(True, "Take the detector from it.")
    use_beam_reference: bool = parameter(
        True, "Take the beam's direction and polarisation from it, and its wavelength if given."
    )
    dataset: str | None = parameter(
        None, "Dataset of the frames in HDF5 that is no NXmx, such as /entry/data/data."
    )


class ImportParameters(Parameters):
    """Parameters of the import."""

    template: str | None = parameter(
        None, "Files with their numbers as '#', such as lyso_####.cbf, beside any files named."
    )
    link: bool = parameter(
        False, "Leave the frames in their files, to which the store then refers."
    )
    images_per_chunk: int = parameter(1, "Images in one chunk of the store.", ge=1)
    allow_mixed_detectors: bool = parameter(
        False, "Take runs recorded on different detectors into one store."
    )
    convert_stills: bool = parameter(
        False, "Take every image as a still, whatever its header says of a rotation."
    )
    events: tuple[int, ...] = parameter(
        (), "Only these events, by the facility's number, or the image's where there is none."
    )
    max_events: int | None = parameter(None, "At most so many events, the first ones.", ge=1)
    input: InputParameters = parameter(InputParameters(), "What files do not say themselves.")
    geometry: GeometryOverrides = parameter(GeometryOverrides(), "Corrections of the headers.")
    lookup: LookupParameters = parameter(LookupParameters(), "Further files.")
