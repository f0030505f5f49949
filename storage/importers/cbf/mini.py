"""The headers of miniCBF images (Pilatus, Eiger): lines of text after a '#'."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Goniometer, Panel
from dxdask.models.attenuation import absorption
from dxdask.models.vectors import Vector
from dxdask.storage.importers.image_header import ImageHeader

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Pixels (fast, slow) of a module and of the gap to the next: Pilatus; Eiger; Eiger 2.
_MODULES = (((487, 195), (7, 17)), ((1030, 514), (10, 37)), ((1028, 512), (12, 38)))


def read_mini_header(path: Path, text: str, shape: tuple[int, int]) -> ImageHeader:
    """Return the header in the comments of a miniCBF; shape: (slow, fast) of the image.

    Raises
    ------
    FormatError
        Wavelength, distance, beam centre or pixel size is missing.
    """
    wavelength = _number(text, "Wavelength")
    if wavelength is None:
        raise FormatError(f"{path} has no Wavelength in its header; add it to the header")
    transmission = _number(text, "Filter_transmission")
    beam = Beam(
        wavelength=wavelength,
        flux=_number(text, "Flux") or 0.0,
        transmission=transmission if transmission is not None and 0 < transmission <= 1 else 1.0,
    )
    start = _number(text, "Start_angle")
    return ImageHeader(
        beam=beam,
        detector=Detector(panels=(_panel(path, text, shape, wavelength),)),
        goniometer=Goniometer(axes=(_axis(text),)),
        shape=shape,
        dtype="i4",
        oscillation=(
            start if start is not None else _number(text, "Omega") or 0.0,
            _number(text, "Angle_increment") or 0.0,
        ),
        exposure=_number(text, "Exposure_period") or _number(text, "Exposure_time"),
        timestamp=_timestamp(text),
    )


def _panel(path: Path, text: str, shape: tuple[int, int], wavelength: float) -> Panel:
    pixel = re.search(rf"# *Pixel_size *[:=]? *({_NUMBER}) *m *x *({_NUMBER}) *m", text)
    centre = re.search(rf"# *Beam_xy *[:=]? *\( *({_NUMBER}) *, *({_NUMBER}) *\)", text)
    distance = _number(text, "Detector_distance")
    missing = [
        name
        for name, found in (
            ("Pixel_size", pixel),
            ("Beam_xy", centre),
            ("Detector_distance", distance),
        )
        if found is None
    ]
    if pixel is None or centre is None or distance is None:
        raise FormatError(f"{path} has no {', '.join(missing)} in its header: no geometry")
    size = (float(pixel[1]) * 1000.0, float(pixel[2]) * 1000.0)
    x, y = float(centre[1]) * size[0], float(centre[2]) * size[1]
    sensor = re.search(rf"# *(\w+) +sensor, *thickness *[:=]? *({_NUMBER}) *m", text)
    material = {"silicon": "Si", "cdte": "CdTe"}.get(sensor[1].lower(), "") if sensor else ""
    thickness = float(sensor[2]) * 1000.0 if sensor else 0.0
    mu = absorption(material, wavelength) if material and thickness > 0 else 0.0
    cutoff = _number(text, "Count_cutoff")
    return Panel(
        name="Panel",
        origin=(-x, y, -distance * 1000.0),
        pixel_size=size,
        image_size=(shape[1], shape[0]),
        trusted_range=(-1.0, cutoff if cutoff is not None else float(2**31 - 1)),
        thickness=thickness,
        material=material,
        mu=mu,
        use_parallax=mu > 0.0,
        mask=module_gaps(shape),
    )


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


def _axis(text: str) -> Vector:
    """Return the rotation axis that Oscillation_axis names.

    "X.CW" alone is the standard axis. With a direction on the detector ("X.CW +SLOW"), clockwise
    about that direction is right-handed about its opposite; fast is x and slow is -y.
    """
    found = re.search(r"# *Oscillation_axis.*?([+-])(SLOW|FAST)", text)
    if found is None:
        return (1.0, 0.0, 0.0)
    sign = 1.0 if found[1] == "+" else -1.0
    return (0.0, sign, 0.0) if found[2] == "SLOW" else (-sign, 0.0, 0.0)


def _number(text: str, key: str) -> float | None:
    found = re.search(rf"# *{key} *[:=]? *({_NUMBER})", text)
    return float(found[1]) if found else None


def _timestamp(text: str) -> float | None:
    found = re.search(r"# *(\d{4}[-/]\w{2,3}[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?)", text)
    for form in ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S", "%Y/%b/%d %H:%M:%S.%f"):
        try:
            when = datetime.strptime(found[1] if found else "", form)
        except ValueError:
            continue
        return when.replace(tzinfo=UTC).timestamp()
    return None
