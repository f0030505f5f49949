"""The headers of miniCBF images (Pilatus, Eiger): beam and detector."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dxdask.errors import InputError
from dxdask.models import Beam, Detector, Panel
from dxdask.models.attenuation import absorption, material_name
from dxdask.models.count_rate import CountRate
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.importers.cbf.barrel import barrel_detector
from dxdask.storage.importers.cbf.mini_rotation import rotation_of, starts_of
from dxdask.storage.importers.cbf.mini_text import mini_values
from dxdask.storage.importers.conventions import Convention, convention_of
from dxdask.storage.importers.header_values import (
    NUMBER,
    HeaderValues,
    UnreadableValue,
    decimals,
    quantity,
    timestamp,
)
from dxdask.storage.importers.image_header import ImageHeader

# Pixels (fast, slow) of a module and of the gap to the next: Pilatus; Eiger; Eiger 2.
_MODULES = (((487, 195), (7, 17)), ((1030, 514), (10, 37)), ((1028, 512), (12, 38)))
# X-rays of less than 0.06 A (200 keV) record no sweeps; electrons have 0.0370 A at 100 kV.
_ELECTRONS_BELOW = 0.06


def read_mini_header(
    path: Path, text: str, shape: tuple[int, int], conventions: Path | None = None
) -> ImageHeader:
    """Return the header in the comments of a miniCBF; shape: (slow, fast) of the image.

    conventions : path of the user's conventions. Wavelength, distance, beam centre and pixel size
    may be missing.
    """
    header = HeaderValues(path=path, values=mini_values(text))
    when = timestamp([header.text("date")])
    convention = convention_of("cbf", header, when, conventions)
    beam = _beam(header, convention)
    detector = _detector(header, convention, shape, beam.wavelength, when)
    goniometer, oscillation = rotation_of(header, convention)
    return ImageHeader(
        beam=beam,
        detector=detector,
        goniometer=goniometer,
        shape=shape,
        dtype="i4",
        oscillation=oscillation,
        starts=starts_of(header),
        angle_decimals=decimals(header.text("Start_angle", "Omega", "Phi")),
        width_decimals=decimals(header.text("Angle_increment")),
        exposure=header.number("Exposure_period", kind="time", unit="s")
        or header.number("Exposure_time", kind="time", unit="s"),
        timestamp=when,
        missing=tuple(header.missing),
        problems=tuple(header.problems),
    )


def _beam(header: HeaderValues, convention: Convention) -> Beam:
    wavelength = header.needed("wavelength", "Wavelength", "Photon_energy", unit="a")
    probe = convention.probe or ("electron" if wavelength < _ELECTRONS_BELOW else "x-ray")
    fraction = convention.polarization_fraction
    if fraction is None:
        fraction = 0.5 if probe == "electron" else 0.999
    flux = header.number("Flux")
    return Beam(
        wavelength=wavelength,
        probe=probe,
        polarization_fraction=fraction,
        flux=flux if flux is not None and flux > 0 else 0.0,
        transmission=header.transmission("Filter_transmission", "Transmission"),
    )


def _detector(
    header: HeaderValues,
    convention: Convention,
    shape: tuple[int, int],
    wavelength: float,
    when: float | None,
) -> Detector:
    size = header.sizes(lambda: _pixel_size(header.text("Pixel_size")), "Pixel_size")
    centre = header.centre(lambda: _beam_centre(header.text("Beam_xy"), size), "Beam_xy")
    if convention.barrel is not None:
        # how far the axis of its cylinder is from the spindle, usually 0
        distance = header.number("Detector_distance", kind="length", unit="m") or 0.0
    else:
        distance = header.needed("distance", "Detector_distance", unit="m")
    material, thickness, is_ccd = _sensor(header, convention)
    mu = absorption_or_none(material, thickness, wavelength)
    cutoff = convention.count_cutoff or header.number("Count_cutoff")
    panel = Panel(
        name="Panel",
        type=convention.sensor or ("SENSOR_CCD" if is_ccd else "SENSOR_PAD"),
        origin=(-centre[0] * size[0], centre[1] * size[1], -distance),
        pixel_size=size,
        image_size=(shape[1], shape[0]),
        trusted_range=(-1.0, cutoff if cutoff is not None and cutoff > 0 else float(2**31 - 1)),
        thickness=thickness,
        material=material,
        mu=mu,
        use_parallax=mu > 0.0 and convention.parallax is not False,
        gain=convention.gain or 1.0,
        pedestal=convention.pedestal or 0.0,
        mask=module_gaps(shape),
        count_rate=_count_rate(header),
    )
    if convention.barrel is not None:
        return barrel_detector(panel, convention, distance, centre, when, header.path)
    return Detector(panels=(turned(panel, header, convention, "Detector_2theta"),))


def _count_rate(header: HeaderValues) -> CountRate:
    """Return the dead time: a Pilatus with one in its header has corrected for it."""
    tau = header.number("Tau", kind="time", unit="s")
    if tau is None or not tau > 0.0:
        return CountRate(is_corrected=None if tau is None else False)
    return CountRate(dead_time=tau, is_corrected=True)


def absorption_or_none(material: str, thickness: float, wavelength: float) -> float:
    """Return mu, 1/mm, of a sensor; 0 where it is not known, or not tabulated at the energy."""
    if not material or thickness <= 0:
        return 0.0
    try:
        return absorption(material, wavelength)
    except InputError:
        return 0.0


def turned(panel: Panel, header: HeaderValues, convention: Convention, key: str) -> Panel:
    """Return a panel that swings by the two theta of a key about the sample.

    The beam centre of the header is that at two theta 0. Without an axis in the conventions it
    turns about +x, upwards, as in dxtbx's FormatSMVADSCSN926 and generate_XDS.INP.
    """
    two_theta = header.number(key, kind="angle", unit="deg")
    if two_theta is None or abs(two_theta) < 1e-6:
        return panel
    if convention.two_theta_axis is None:
        header.problems.append(
            f"{key}={two_theta:g} degrees: the detector is turned by it about +x; for another axis "
            "give two_theta_axis in input.conventions, or input.reference_geometry"
        )
    axis = convention.two_theta_axis or (1.0, 0.0, 0.0)
    return panel.moved(rotation_matrix(axis, float(np.deg2rad(two_theta))))


def _pixel_size(text: str) -> tuple[float, float] | None:
    """Return the pixel size, mm, of "172e-6 m x 172e-6 m"; one number is that of both sides."""
    if not text:
        return None
    parts = re.split(r"\s*[xX×*,]\s*", text.strip("() "), maxsplit=1)
    units = [re.sub(rf"^{NUMBER}\s*", "", p.strip()) for p in parts]
    unit = next((u for u in reversed(units) if u), "m")
    found = [
        quantity(p if u else f"{p} {unit}", "length") for p, u in zip(parts, units, strict=True)
    ]
    x, y = found[0], found[-1]
    return None if x is None or y is None else (x, y)


def _beam_centre(text: str, pixel_size: tuple[float, float]) -> tuple[float, float] | None:
    """Return the beam centre, px, of "(1231.5, 1263.5) pixels"; also in mm or m."""
    if not text:
        return None
    found = re.match(rf"\(?\s*({NUMBER})\s*[, ;x]\s*({NUMBER})\s*\)?\s*([a-zA-Zµ]*)", text)
    if found is None:
        raise UnreadableValue("is not two numbers")
    if found[3].lower() in ("", "px", "pixel", "pixels", "pix"):
        return (quantity(found[1]) or 0.0, quantity(found[2]) or 0.0)
    x, y = (quantity(f"{found[i]} {found[3]}", "length") or 0.0 for i in (1, 2))
    return (x / pixel_size[0], y / pixel_size[1])


def _sensor(header: HeaderValues, convention: Convention) -> tuple[str, float, bool]:
    """Return material and thickness (mm) of the sensor, and whether it is that of a CCD."""
    text = header.text("sensor_material")
    thickness = header.number("sensor_thickness", kind="length", unit="m")
    if "ccd" in text.lower():
        return "", 0.0, True
    if not text:
        return convention.material or "", convention.thickness or 0.0, False
    try:
        return material_name(text), max(thickness or 0.0, 0.0), False
    except InputError as error:
        header.problems.append(f"{error}; until then no absorption in the sensor is corrected for")
        return "", 0.0, False


def module_gaps(shape: tuple[int, int]) -> tuple[tuple[int, int, int, int], ...]:
    """Return the rectangles (x0, y0, x1, y1) between the modules of a Pilatus or Eiger."""
    slow, fast = shape
    for (width, height), (gap_x, gap_y) in _MODULES:
        n_x, n_y = (fast + gap_x) // (width + gap_x), (slow + gap_y) // (height + gap_y)
        if (fast, slow) == (
            n_x * (width + gap_x) - gap_x,
            n_y * (height + gap_y) - gap_y,
        ):
            columns = [i * (width + gap_x) - gap_x for i in range(1, n_x)]
            rows = [i * (height + gap_y) - gap_y for i in range(1, n_y)]
            return tuple(
                [(x, 0, x + gap_x, slow) for x in columns] + [(0, y, fast, y + gap_y) for y in rows]
            )
    return ()
