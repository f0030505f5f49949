"""Models in SMV headers of ADSC's kind: a flat detector, one rotation."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from dxdask.models import Beam, Detector, Goniometer, Panel
from dxdask.storage.importers.cbf.mini import turned
from dxdask.storage.importers.conventions import BeamCentre, Convention
from dxdask.storage.importers.header_goniometer import AXIS_NAMES, angle, goniometer_of
from dxdask.storage.importers.header_values import HeaderValues, UnreadableValue, quantity
from dxdask.storage.importers.smv.pixels import Layout
from dxdask.storage.importers.smv.timepix import WIDE_CHIPS, timepix_detector

# The beam centre of ADSC and of Mosflm: mm, its X along slow.
_ADSC = BeamCentre(keys=("BEAM_CENTER_X", "BEAM_CENTER_Y"), order="slow_fast", unit="mm")
_ELECTRONS_BELOW = 0.06


class SmvModels(NamedTuple):
    """Models of an image; oscillation: start and width, degree; exposure: s.

    starts : angles one of which is the start, where the header does not say which.
    """

    beam: Beam
    detector: Detector
    goniometer: Goniometer
    oscillation: tuple[float, float]
    exposure: float | None
    starts: tuple[float, ...] = ()


def flat_models(header: HeaderValues, convention: Convention, layout: Layout) -> SmvModels:
    """Return the models of a header with DISTANCE, BEAM_CENTER, OSC_START and OSC_RANGE."""
    wavelength = header.needed("wavelength", "WAVELENGTH", unit="a")
    width = angle(header, "OSC_RANGE") or 0.0
    scanned = header.text("AXIS", "OSC_AXIS", "ROTATION_AXIS_NAME").lower()
    scanned = scanned if scanned in AXIS_NAMES else ""
    starts = [angle(header, key) for key in ("OSC_START", scanned or "PHI", "PHI", "OMEGA")]
    start = next((v for v in starts if v is not None), 0.0)
    return SmvModels(
        beam=beam_of(wavelength, convention),
        detector=_detector(header, convention, layout),
        goniometer=goniometer_of(header, convention, scanned, (1.0, 0.0, 0.0)),
        oscillation=(start, width),
        exposure=header.number("TIME", "EXPOSURE_TIME", kind="time", unit="s"),
        starts=() if scanned or starts[0] is not None else _starts(header),
    )


def _starts(header: HeaderValues) -> tuple[float, ...]:
    found = (angle(header, n) for n in AXIS_NAMES)
    return tuple(v for v in found if v is not None)


def beam_of(wavelength: float, convention: Convention) -> Beam:
    """Return a beam along z; that of electrons is not polarised."""
    probe = convention.probe or ("electron" if wavelength < _ELECTRONS_BELOW else "x-ray")
    fraction = convention.polarization_fraction
    if fraction is None:
        fraction = 0.5 if probe == "electron" else 0.999
    return Beam(wavelength=wavelength, polarization_fraction=fraction, probe=probe)


def _detector(header: HeaderValues, convention: Convention, layout: Layout) -> Detector:
    shape = layout.shape
    size = header.sizes(lambda: _pixel_size(header), "PIXEL_SIZE")
    rule = convention.beam_centre or _ADSC
    centre = header.centre(lambda: _centre(header, rule, size, shape), rule.keys[0])
    distance = header.needed("distance", "DISTANCE", unit="mm")
    panel = Panel(
        name="Panel",
        origin=(-centre[0] * size[0], centre[1] * size[1], -distance),
        pixel_size=size,
        image_size=(shape[1], shape[0]),
        **counts_of(header, convention, layout),
    )
    if convention.probe == "electron" and shape == WIDE_CHIPS:
        return timepix_detector(panel, distance, centre)
    return Detector(panels=(turned(panel, header, convention, "TWOTHETA"),))


def counts_of(header: HeaderValues, convention: Convention, layout: Layout) -> dict[str, Any]:
    """Return kind, trusted range, gain, pedestal and sensor of a panel, as its fields.

    The header's IMAGE_PEDESTAL and GAIN come before those of the conventions.
    """
    low, high = layout.limits
    if convention.sensor == "SENSOR_PAD":
        low = max(low, -1.0)  # below zero are the gaps and bad pixels of a counting detector
    top = header.number("CCD_IMAGE_SATURATION", "SATURATED_VALUE")
    pedestal = header.number("IMAGE_PEDESTAL", "ADC_OFFSET")
    gain = header.number("GAIN")
    return {
        "type": convention.sensor or "SENSOR_CCD",
        "trusted_range": (low, min(high, top) if top is not None and top > 0 else high),
        "gain": gain if gain is not None and gain > 0 else convention.gain or 1.0,
        "pedestal": pedestal or convention.pedestal or 0.0,
        "material": convention.material or "",
        "thickness": convention.thickness or 0.0,
    }


def _pixel_size(header: HeaderValues) -> tuple[float, float] | None:
    parts = re.split(r"[\s,x]+(?=[\d.])", header.text("PIXEL_SIZE"), maxsplit=1)
    values = [quantity(p, "length", "mm") for p in parts]
    x, y = values[0], values[-1]
    return None if x is None or y is None else (x, y)


def _centre(
    header: HeaderValues, rule: BeamCentre, size: tuple[float, float], shape: tuple[int, int]
) -> tuple[float, float] | None:
    """Return the beam centre, px along fast and slow, by the rule of the detector."""
    texts = [header.text(key) for key in rule.keys]
    if len(texts) == 1:
        texts = texts[0].split()[:2]
    if len(texts) < 2 or not all(texts):
        return None
    found = [quantity(t, "length" if rule.unit == "mm" else "number", rule.unit) for t in texts]
    if None in found:
        raise UnreadableValue("is not a number")
    values = np.array(found, dtype=np.float64)
    if rule.order == "slow_fast":
        values = values[::-1]
    if not values.any():
        return (0.0, 0.0)
    px = values / size if rule.unit == "mm" else values
    for i, from_end in enumerate((rule.fast_from_end, rule.slow_from_end)):
        px[i] = shape[::-1][i] - px[i] if from_end else px[i]
    px = px + rule.shift
    return (float(px[0]), float(px[1]))
