"""What the user's parameters give in place of values that headers lack."""

from __future__ import annotations

from dxdask.storage.formats import Supplement
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import read_geometry


def supplement_of(parameters: ImportParameters) -> Supplement:
    """Return the supplement of the formats: names of the values given, and those needed early.

    Overrides and the reference geometry are applied to runs, after their headers are read (see
    `dxdask.storage.importers.adjust`). A header need not have what they give.
    """
    beam, detector = parameters.geometry.beam, parameters.geometry.detector
    scan, goniometer = parameters.geometry.scan, parameters.geometry.goniometer
    first = next((p for p in detector.panel if p.id == 0), None)
    has_origin = first is not None and first.origin is not None
    pixel_size = first.pixel_size if first is not None else None
    centre = detector.fast_slow_beam_centre or detector.slow_fast_beam_centre
    given = {
        "wavelength": beam.wavelength is not None,
        "distance": detector.distance is not None or has_origin,
        "beam_centre": centre is not None or has_origin,
        "pixel_size": pixel_size is not None,
        "goniometer": goniometer.axes is not None,
    }
    path = parameters.input.reference_geometry
    if path is not None and path.suffix in (".expt", ".json", ".geom"):
        if parameters.input.use_detector_reference:
            given |= dict.fromkeys(("distance", "beam_centre", "pixel_size"), True)
        if parameters.input.use_beam_reference and not given["wavelength"]:
            # a geometry of CrystFEL may need the frames before it can be read: it is tried there
            given["wavelength"] = path.suffix == ".geom" or read_geometry(path).has_wavelength
    return Supplement(
        reference_geometry=path,
        dataset=parameters.input.dataset,
        wavelength=beam.wavelength,
        given=frozenset(name for name, is_given in given.items() if is_given),
        pixel_size=pixel_size,
        conventions=parameters.input.conventions,
        is_one_scan=parameters.template is not None or scan.oscillation is not None,
    )
